import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { open, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../start-platform.ts";

/** A real S3 server: Ceph's, over one monitor, one manager and one storage daemon that keeps everything in memory. */
export interface Radosgw {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  stop(): Promise<void>;
}

/** A storage class beside STANDARD. */
export const COLD_CLASS = "COLD";

const READY_WITHIN_MS = 60_000;
const KEYS = { accessKeyId: "filemill-test", secretAccessKey: "filemill-test-secret" };
const ADMIN = ["--name", "client.admin"];

/** Starts it in `folder`, which is empty and stays the caller's, on free ports of 127.0.0.1. Its processes end with this one. */
export async function startRadosgw(folder: string): Promise<Radosgw> {
  const ports = { v2: await freePort(), v1: await freePort(), rgw: await freePort() };
  const monitors = `[v2:127.0.0.1:${ports.v2},v1:127.0.0.1:${ports.v1}]`;
  const cluster = randomUUID();
  for (const name of ["mon", "osd", "mgr", "rgw"]) await mkdir(join(folder, name));
  await writeFile(join(folder, "ceph.conf"), configuration(folder, { cluster, monitors }));
  await makeKeys(folder);
  const conf = ["-c", "ceph.conf"];
  await run(folder, "monmaptool", ["--create", "--fsid", cluster, "--addv", "a", monitors, "monmap"]);
  await run(folder, "ceph-mon", [...conf, "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring"]);

  const daemons: Daemon[] = [];
  const start = async (program: string, args: readonly string[]) => {
    daemons.push(await startDaemon(folder, program, [...conf, ...args, "-f"]));
  };
  const stop = async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop();
  };
  try {
    await start("ceph-mon", ["-i", "a"]);
    await run(folder, "ceph", [...conf, "mon", "enable-msgr2"]);
    await start("ceph-mgr", ["-i", "x"]);
    await startStorage(folder, conf, start);
    const admin = [...conf, ...ADMIN];
    const user = ["--uid=test", "--display-name=Test", `--access-key=${KEYS.accessKeyId}`, `--secret-key=${KEYS.secretAccessKey}`];
    // Makes the default zone too.
    await run(folder, "radosgw-admin", [...admin, "user", "create", ...user, "--max-buckets=10000"]);
    const place = ["--placement-id", "default-placement", "--storage-class", COLD_CLASS];
    await run(folder, "radosgw-admin", [...admin, "zonegroup", "placement", "add", "--rgw-zonegroup", "default", ...place]);
    await run(folder, "radosgw-admin", [
      ...admin,
      "zone",
      "placement",
      "add",
      "--rgw-zone",
      "default",
      ...place,
      "--data-pool",
      "cold.data",
    ]);
    await start("radosgw", ["-n", "client.rgw.x", `--rgw-frontends=beast endpoint=127.0.0.1:${ports.rgw}`]);
    const endpoint = `http://127.0.0.1:${ports.rgw}`;
    await answers(endpoint, folder);
    return { endpoint, ...KEYS, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startStorage(
  folder: string,
  conf: readonly string[],
  start: (program: string, args: readonly string[]) => Promise<void>,
): Promise<void> {
  const id = randomUUID();
  const key = (await run(folder, "ceph-authtool", ["keyring", "-n", "osd.0", "-p"])).trim();
  await writeFile(join(folder, "secret.json"), JSON.stringify({ cephx_secret: key }));
  await run(folder, "ceph", [...conf, "osd", "new", id, "-i", "secret.json"]);
  await run(folder, "ceph-osd", [...conf, "-i", "0", "--mkfs", "--osd-uuid", id]);
  await start("ceph-osd", ["-i", "0"]);
}

function configuration(folder: string, { cluster, monitors }: { cluster: string; monitors: string }): string {
  return `[global]
fsid = ${cluster}
mon host = ${monitors}
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
auth allow insecure global id reclaim = false
osd objectstore = memstore
memstore device bytes = 4294967296
run dir = ${folder}
log file = ${folder}/$name.log
pid file = ${folder}/$name.pid
admin socket = ${folder}/$name.asok
keyring = ${folder}/keyring
[mon.a]
mon data = ${folder}/mon
mon data avail crit = 1
mon data avail warn = 2
[osd.0]
osd data = ${folder}/osd
[mgr.x]
mgr data = ${folder}/mgr
mgr initial modules =
[client.rgw.x]
rgw data = ${folder}/rgw
`;
}

async function makeKeys(folder: string): Promise<void> {
  await run(folder, "ceph-authtool", ["--create-keyring", "keyring"]);
  const all = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"];
  const keys: [string, ...string[]][] = [
    ["mon.", "--cap", "mon", "allow *"],
    ["client.admin", ...all],
    ["mgr.x", "--cap", "mon", "allow profile mgr", "--cap", "osd", "allow *"],
    ["osd.0", "--cap", "mon", "allow profile osd", "--cap", "mgr", "allow profile osd", "--cap", "osd", "allow *"],
    ["client.rgw.x", "--cap", "mon", "allow rw", "--cap", "osd", "allow rwx", "--cap", "mgr", "allow rw"],
  ];
  for (const [name, ...capabilities] of keys) await run(folder, "ceph-authtool", ["keyring", "--gen-key", "-n", name, ...capabilities]);
}

interface Daemon {
  stop(): Promise<void>;
}

/** `setpriv` has the kernel end it with us, so that a run that is killed leaves nothing behind. */
async function startDaemon(folder: string, program: string, args: readonly string[]): Promise<Daemon> {
  const log = await open(join(folder, `${program}.out`), "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], { cwd: folder, stdio: ["ignore", log.fd, log.fd] });
  await once(child, "spawn");
  await log.close();
  return {
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // Nothing that it holds is needed any more; a clean end takes seconds.
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

async function run(folder: string, program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const [code] = await once(child, "close");
  if (code === 0) return Buffer.concat(output).toString();
  throw new Error(`${program} ${args.join(" ")} ended with ${code}: ${Buffer.concat(errors).toString()}`);
}

async function answers(endpoint: string, folder: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const response = await fetch(endpoint).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 200) return;
    if (performance.now() > deadline) {
      const log = await readFile(join(folder, "radosgw.out"), "utf8").catch(() => "");
      throw new Error(`radosgw does not answer ${response?.status ?? ""}: ${log.slice(-2_000)}`);
    }
    await delay(100);
  }
}
