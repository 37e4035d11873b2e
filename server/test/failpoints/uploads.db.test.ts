import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { newKeyText } from "../../src/tenants/key-format.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { tusAt, type Tus, type TusAnswer } from "../tus.ts";
import { expectConsistent } from "./consistency.ts";
import { IN_RESUMABLE_UPLOADS } from "./places.ts";
import { endProcesses, startApiProcess, type Installation } from "./processes.ts";

/**
 * An API process is killed in the middle of a tus request. Another process, which knows nothing of it but the rows, says how
 * much is durable, and the upload goes on from there to exactly one file.
 */
const COLLECT = fileURLToPath(new URL("collect.ts", import.meta.url));
const key = newKeyText();
let clone: ClonedDatabase;
let folder: string;
let at: Installation;
let base: string;
let healthy: Tus;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-failpoints-"));
  at = { databaseUrl: clone.url, storeFolder: join(folder, "store"), dataFolder: folder };
  base = await urlOf(startApiProcess(at, { key }).port);
  healthy = tusAt(base, key);
});
afterAll(async () => {
  await endProcesses();
  await clone.close();
  await rm(folder, { recursive: true, force: true });
});

async function urlOf(port: Promise<number>): Promise<string> {
  return `http://127.0.0.1:${await port}`;
}

async function dieOf(failpoint: string, request: (tus: Tus) => Promise<unknown>): Promise<void> {
  const api = startApiProcess(at, { key, failpoint: `${failpoint}:kill` });
  await expect(request(tusAt(await urlOf(api.port), key)), failpoint).rejects.toThrow();
  expect((await api.exited).signal, `${failpoint} was not reached:\n${api.output()}`).toBe("SIGKILL");
}

/** The dead process's lock ends with its lease; till then the answer is 423. */
async function unlocked(request: () => Promise<TusAnswer>): Promise<TusAnswer> {
  for (;;) {
    const answer = await request();
    if (answer.status !== 423) return answer;
  }
}

const content = randomBytes(60_000);

async function begin(headers: Record<string, string> = {}): Promise<string> {
  const { url, status } = await healthy.create({ "upload-length": String(content.length), ...headers });
  expect(status).toBe(201);
  return url;
}

async function expectFile(answer: TusAnswer, bytes: Buffer): Promise<void> {
  const file = await fetch(`${base}/api/v1/files/${String(answer.headers["filemill-file-id"])}/content`, {
    headers: { authorization: `Bearer ${key}` },
  });
  const back = Buffer.from(await file.arrayBuffer());
  expect(createHash("sha256").update(back).digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
}

const patchAndDie = async (failpoint: string): Promise<{ url: string; after: TusAnswer }> => {
  const url = await begin();
  await dieOf(failpoint, (tus) => tus.patch(url, 0, content));
  return { url, after: await unlocked(() => healthy.head(url)) };
};

async function isThereAfterwards(failpoint: string): Promise<void> {
  const { after } = await patchAndDie(failpoint);
  expect(after).toMatchObject({ status: 200, headers: { "upload-offset": String(content.length) } });
  await expectFile(after, content);
}

async function twoPartials(): Promise<string> {
  const urls = [];
  for (const part of [content.subarray(0, 25_000), content.subarray(25_000)]) {
    const { url } = await healthy.create({ "upload-length": String(part.length), "upload-concat": "partial" }, part);
    urls.push(url);
  }
  return `final;${urls.join(" ")}`;
}

async function concatenation(failpoint: string): Promise<void> {
  const concat = await twoPartials();
  await dieOf(failpoint, (tus) => tus.create({ "upload-concat": concat }));
  const first = await healthy.create({ "upload-concat": concat });
  const second = await healthy.create({ "upload-concat": concat });
  expect([first.status, second.status]).toEqual([201, 201]);
  expect(second.url).toBe(first.url);
  await expectFile(second, content);
}

async function termination(failpoint: string, after: { status: number; again: number }): Promise<void> {
  const url = await begin();
  expect((await healthy.patch(url, 0, content.subarray(0, 40_000))).status).toBe(204);
  await dieOf(failpoint, (tus) => tus.send("DELETE", url));
  expect((await unlocked(() => healthy.head(url))).status).toBe(after.status);
  expect((await healthy.send("DELETE", url)).status).toBe(after.again);
}

/** The collector dies behind its commit: the upload is gone, and what it stored has no row any more. */
async function expiry(failpoint: string): Promise<void> {
  const url = await begin();
  expect((await healthy.patch(url, 0, content.subarray(0, 40_000))).status).toBe(204);
  const id = decodeId("upload", url.slice(url.lastIndexOf("/") + 1));
  await clone.database.asSystem((transaction) => transaction.execute(sql`UPDATE uploads SET expires_at = now() WHERE id = ${id}::uuid`));
  expect((await healthy.head(url)).status).toBe(410);
  const child = spawn(process.execPath, [COLLECT, clone.url, at.storeFolder, `${failpoint}:kill`], { stdio: "inherit" });
  const [, signal] = await once(child, "exit");
  expect(signal).toBe("SIGKILL");
  expect((await healthy.head(url)).status).toBe(410);
}

describe.concurrent("an API that is killed in a resumable upload", { timeout: 180_000 }, () => {
  const scenarios: Record<(typeof IN_RESUMABLE_UPLOADS)[number], (failpoint: string) => Promise<void>> = {
    "tus-after-put-before-commit": async (failpoint) => {
      const { url, after } = await patchAndDie(failpoint);
      expect(after).toMatchObject({ status: 200, headers: { "upload-offset": "0" } });
      await expectFile(await healthy.patch(url, 0, content), content);
    },
    "tus-after-commit": isThereAfterwards,
    "tus-finish-before-commit": isThereAfterwards,
    "tus-finish-after-commit": isThereAfterwards,
    "tus-terminate-before-commit": (failpoint) => termination(failpoint, { status: 200, again: 204 }),
    "tus-terminate-after-commit": (failpoint) => termination(failpoint, { status: 410, again: 410 }),
    "tus-concat-before-commit": concatenation,
    "tus-concat-after-commit": concatenation,
    "expire-uploads-after-commit": expiry,
  };

  test.each(IN_RESUMABLE_UPLOADS)("at %s", async (failpoint) => scenarios[failpoint](failpoint));
});

test("nothing is left in the store that garbage collection does not find", async () => {
  await expectConsistent(clone.database, at.storeFolder);
});
