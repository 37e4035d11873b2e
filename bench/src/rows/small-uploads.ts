import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import pg from "pg";
import { startCluster } from "../cluster.ts";
import { measure, report, type Contestant } from "../measure.ts";
import { startPlatform, type Platform } from "../platform.ts";

const SIZE_BYTES = 1_024;
const IN_FLIGHT = 16;
const UPLOADS = 3_000;
const WARM_UP = 500;

/**
 * Files of 1 KiB, a request each, 16 in flight, beside single inserts of the same bytes by as many connections: both
 * durable when they are answered.
 */
export async function smallUploads({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  try {
    const contestants = [insertFloor(await cluster.emptyDatabase("floor")), uploads("PUT", put), uploads("multipart", post)];
    const row = { name: "small-uploads", unit: "files/s", better: "higher" as const, rounds, contestants };
    report(row, await measure(row));
  } finally {
    await cluster.close();
  }
}

function insertFloor(url: string): Contestant {
  const pool = new pg.Pool({ connectionString: url, max: IN_FLIGHT });
  const insert = async () => {
    await pool.query("INSERT INTO files (content) VALUES ($1)", [randomBytes(SIZE_BYTES)]);
  };
  return {
    name: "floor: single inserts",
    async setUp() {
      await pool.query("CREATE TABLE files (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, content bytea NOT NULL)");
      await perSecond(WARM_UP, insert);
    },
    measure: () => perSecond(UPLOADS, insert),
    takeDown: () => pool.end(),
  };
}

function uploads(name: string, send: (to: Target) => Promise<void>): Contestant {
  let platform: Platform;
  const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT });
  const one = () => send({ url: platform.url, key: platform.key, agent });
  return {
    name,
    async setUp() {
      platform = await startPlatform({ FILEMILL_WORKERS: "0" });
      await perSecond(WARM_UP, one);
    },
    measure: () => perSecond(UPLOADS, one),
    async takeDown() {
      agent.destroy();
      await platform.close();
    },
  };
}

/** Runs `work` so often, with IN_FLIGHT of them at any time. */
async function perSecond(times: number, work: () => Promise<void>): Promise<number> {
  let left = times;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (left-- > 0) await work();
    }),
  );
  return times / ((performance.now() - started) / 1000);
}

interface Target {
  readonly url: string;
  readonly key: string;
  readonly agent: Agent;
}

function put(to: Target): Promise<void> {
  return send({ ...to, method: "PUT", path: "/files/small.bin", type: "application/octet-stream", body: randomBytes(SIZE_BYTES) });
}

function post(to: Target): Promise<void> {
  const head = '--boundary\r\ncontent-disposition: form-data; name="file"; filename="small.bin"\r\n\r\n';
  const body = Buffer.concat([Buffer.from(head), randomBytes(SIZE_BYTES), Buffer.from("\r\n--boundary--\r\n")]);
  return send({ ...to, method: "POST", path: "/files", type: "multipart/form-data; boundary=boundary", body });
}

async function send(call: Target & { method: string; path: string; type: string; body: Buffer }): Promise<void> {
  const { url, key, agent, method, path, type, body } = call;
  const headers = { authorization: `Bearer ${key}`, "content-type": type, "content-length": body.length };
  const sent = request(`${url}/api/v1${path}`, { method, headers, agent });
  sent.end(body);
  const [answer] = await once(sent, "response");
  answer.resume();
  await once(answer, "end");
  if (answer.statusCode !== 201) throw new Error(`${method} of 1 KiB answered ${answer.statusCode}`);
}
