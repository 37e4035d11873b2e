import { spawn } from "node:child_process";
import { chown, mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { EmbeddedError } from "./embedded-error.ts";

export interface ClusterOptions {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  /** PostgreSQL's data folder. Its parent is ours. */
  readonly folder: string;
  /** Of the superuser `postgres`. */
  readonly password: string;
  /** Aborted: initdb is killed at once, and with it the processes that it started. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the cluster where it doesn't exist: data checksums, UTF-8, the builtin C.UTF-8 locale (sorts the same on every
 * machine and needs no ICU), scram passwords. initdb works in a folder beside and the finished one is renamed into place,
 * so one that was killed midway leaves nothing but a folder that the next start removes.
 * To be called by one process at a time.
 */
export async function ensureCluster(options: ClusterOptions): Promise<void> {
  const parent = dirname(options.folder);
  const prefix = `${basename(options.folder)}.initdb-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
  if (await stat(join(options.folder, "PG_VERSION")).catch(() => undefined)) return;

  const making = join(parent, `${prefix}${process.pid}`);
  await mkdir(join(making, "data"), { recursive: true, mode: 0o700 });
  await writeFile(join(making, "password"), `${options.password}\n`, { mode: 0o600 });
  if (options.account) {
    for (const path of [making, join(making, "data"), join(making, "password")])
      await chown(path, options.account.uid, options.account.gid);
  }
  await runInitdb(options, join(making, "data"), join(making, "password"));
  await rename(join(making, "data"), options.folder);
  await rm(making, { recursive: true, force: true });
}

async function runInitdb(options: ClusterOptions, folder: string, passwordFile: string): Promise<void> {
  const args = [
    `--pgdata=${folder}`,
    "--username=postgres",
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--no-instructions",
    "--set=timezone=UTC",
    "--set=log_timezone=UTC",
  ];
  const child = spawn(options.binaries.initdb, args, {
    cwd: folder,
    env: serverEnvironment(),
    stdio: ["ignore", "ignore", "pipe"],
    // A process group of its own, which can be killed as a whole and which Ctrl-C in a terminal doesn't reach.
    detached: true,
    ...(options.account && { uid: options.account.uid, gid: options.account.gid }),
  });
  const kill = () => {
    // Without a pid it was never started; after its end nobody is there to be killed.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, "SIGKILL");
  };
  options.signal?.addEventListener("abort", kill);
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  }).finally(() => options.signal?.removeEventListener("abort", kill));
  if (options.signal?.aborted) throw new EmbeddedError("stopped", "PostgreSQL was told to stop while its data folder was made.");
  if (code !== 0) {
    throw new EmbeddedError(
      "initdb_failed",
      `PostgreSQL could not make its data folder ${options.folder}: ${complaint.trim() || `initdb ended with ${code}`}`,
    );
  }
}

/** Nothing of ours is inherited: PG* variables would change what the programs do, and ours hold secrets. */
export function serverEnvironment(): Record<string, string> {
  return { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
}
