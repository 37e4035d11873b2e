import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { Readable } from "node:stream";
import pg from "pg";
import { startCluster } from "../cluster.ts";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { tarOf } from "./small-tar.ts";

const SIZE_BYTES = 1_024;
const FILES = 20_000;
const WARM_UP = 2_000;
/** As many rows as the server puts into a transaction. */
const BATCH = 500;

/** Files of 1 KiB as one tar, beside batches of the same bytes by one connection: both durable when they are answered. */
export async function bulk({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  try {
    const contestants = [batchedInserts(await cluster.emptyDatabase("floor")), uploads()];
    const row = { name: "bulk", unit: "files/s", better: "higher" as const, rounds, contestants };
    report(row, await measure(row));
  } finally {
    await cluster.close();
  }
}

function batchedInserts(url: string): Contestant {
  const client = new pg.Client({ connectionString: url });
  const insert = async (count: number) => {
    for (let sent = 0; sent < count; sent += BATCH) {
      const contents = Array.from({ length: BATCH }, () => randomBytes(SIZE_BYTES));
      await client.query("INSERT INTO files (content) SELECT * FROM unnest($1::bytea[])", [contents]);
    }
  };
  return {
    name: `floor: inserts of ${BATCH}`,
    async setUp() {
      await client.connect();
      await client.query("CREATE TABLE files (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL)");
      await insert(WARM_UP);
    },
    measure: () => perSecond(FILES, () => insert(FILES)),
    takeDown: () => client.end(),
  };
}

function uploads(): Contestant {
  let platform: Platform;
  return {
    name: "POST /files/bulk",
    async setUp() {
      platform = await startPlatform({ FILEMILL_WORKERS: "0" });
      await send(platform, tarOf(WARM_UP, SIZE_BYTES));
    },
    async measure() {
      // Made beforehand: what the client spends on it is not the server's.
      const tar = tarOf(FILES, SIZE_BYTES);
      return await perSecond(FILES, () => send(platform, tar));
    },
    takeDown: () => platform.close(),
  };
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return count / ((performance.now() - started) / 1_000);
}

async function send({ url, key }: Platform, tar: Buffer): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/x-tar" };
  const sent = request(`${url}/api/v1/files/bulk`, { method: "POST", headers });
  Readable.from(chunksOf(tar), { objectMode: false }).pipe(sent);
  const [answer] = await once(sent, "response");
  answer.resume();
  await once(answer, "end");
  if (answer.statusCode !== 201) throw new Error(`a tar answered ${answer.statusCode}`);
}

function* chunksOf(tar: Buffer): Generator<Buffer> {
  for (let start = 0; start < tar.length; start += 65_536) yield tar.subarray(start, start + 65_536);
}
