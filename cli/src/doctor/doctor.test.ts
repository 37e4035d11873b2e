import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Context } from "../context.ts";
import { database } from "./database.ts";
import { ports } from "./ports.ts";
import { stores } from "./stores.ts";

let folder: string;
let servers: Server[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-doctor-"));
});
afterEach(async () => {
  for (const server of servers) server.close();
  servers = [];
  await rm(folder, { recursive: true, force: true });
});

function contextOf(environment: Record<string, string>): Context {
  return {
    environment: { PATH: process.env["PATH"], FILEMILL_DATA_DIR: folder, ...environment },
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    signal: new AbortController().signal,
    onSignal: () => () => undefined,
    exitCode: 0,
  };
}

/** A port that another program has. */
async function takenPort(): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function freedPort(): Promise<number> {
  const port = await takenPort();
  const closed = once(servers.at(-1) ?? createServer(), "close");
  servers.pop()?.close();
  await closed;
  return port;
}

test("ports that others have are named with the variables that choose others", async () => {
  const [api, metrics, nobody] = [await takenPort(), await freedPort(), await freedPort()];
  const variables = { FILEMILL_PORT: String(api), FILEMILL_METRICS_PORT: String(metrics), FILEMILL_URL: `http://127.0.0.1:${nobody}` };
  expect(await ports(contextOf(variables))).toEqual({
    ok: false,
    found: `${api} (API) in use, ${metrics} (metrics) free`,
    advice: "Stop the program that has the port, or set FILEMILL_PORT to a free one.",
  });
  expect(await ports(contextOf({ ...variables, FILEMILL_PORT: String(nobody) }))).toMatchObject({ ok: true });
});

test("a platform that runs is looked for at FILEMILL_PORT, and at FILEMILL_URL no other port is called free", async () => {
  const platform = createHttpServer((_request, response) => void response.end("{}")).listen(0, "127.0.0.1");
  servers.push(platform);
  await once(platform, "listening");
  const address = platform.address();
  const port = String(typeof address === "object" && address !== null ? address.port : 0);
  const metrics = { FILEMILL_METRICS_PORT: String(await freedPort()) };
  expect((await ports(contextOf({ ...metrics, FILEMILL_PORT: port }))).found).toContain(`${port} (API) in use by Filemill`);
  const elsewhere = { ...metrics, FILEMILL_URL: `http://127.0.0.1:${port}`, FILEMILL_PORT: String(await freedPort()) };
  expect(await ports(contextOf(elsewhere))).toEqual({ ok: true, found: `not looked at: the platform runs at http://127.0.0.1:${port}` });
});

test("an embedded database that should run and does not answer is named with its log", async () => {
  expect(await database(contextOf({}))).toMatchObject({ ok: true, found: expect.stringContaining("does not run now") });
  const cluster = join(folder, "database", "cluster");
  await mkdir(cluster, { recursive: true });
  const write = (port: number) => writeFile(join(cluster, "postmaster.pid"), `1\n${cluster}\n1\n${port}\n\n127.0.0.1\n`);
  await write(await takenPort());
  expect(await database(contextOf({}))).toMatchObject({ ok: true, found: expect.stringContaining("it runs at port") });
  await write(await freedPort());
  expect(await database(contextOf({}))).toMatchObject({ ok: false, advice: expect.stringContaining("postgresql.log") });
});

test("a database elsewhere that is away, or is none, is told apart from one that lacks migrations", async () => {
  const away = await freedPort();
  const at = (port: number) => contextOf({ FILEMILL_DATABASE_URL: `postgres://user:secret@127.0.0.1:${port}/files` });
  expect(await database(at(away))).toMatchObject({ ok: false, found: `127.0.0.1:${away} takes no connections` });
  const stranger = await database(at(await takenPort()));
  expect(stranger).toMatchObject({ ok: false, advice: expect.stringContaining("migrate.ts") });
  expect(JSON.stringify(stranger)).not.toContain("secret");
  expect(await database(contextOf({ FILEMILL_DATABASE_URL: "not a url" }))).toMatchObject({ ok: false });
});

test("a store is written to and read, and one that can't be is named", async () => {
  const none = { ok: true, found: expect.stringContaining("is made at the first start") };
  expect(await stores(contextOf({}))).toMatchObject(none);
  const store = join(folder, "store");
  const there = contextOf({ FILEMILL_STORAGE_URL: pathToFileURL(store).href });
  await mkdir(store);
  expect(await stores(there)).toMatchObject(none);
  expect(await readdir(store)).toEqual([]);
  await writeFile(join(store, "filemill-store.json"), "{}");
  expect(await stores(there)).toMatchObject({ ok: true, found: expect.stringContaining("written, read, listed and deleted") });
  const closed = await freedPort();
  const away = { FILEMILL_STORAGE_URL: `s3://bucket?name=far&endpoint=http://127.0.0.1:${closed}&access_key=a&secret_key=b` };
  const finding = await stores(contextOf(away));
  expect(finding).toMatchObject({ ok: false, found: expect.stringContaining("far: put") });
});
