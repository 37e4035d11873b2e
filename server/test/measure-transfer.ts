import { fork, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { v7 as uuidv7 } from "uuid";
import { sql } from "../src/db/sql.ts";
import { createKey } from "../src/tenants/api-keys.ts";
import { cloneDatabase } from "./database.ts";
import { transferBlocks } from "./transfer-blocks.ts";

export interface Transfer {
  /** sha256 of what was sent, of what the server says it got, and of what came back. */
  readonly sha256: readonly [sent: string, told: string, received: string];
  /** Peak resident memory over what it was after a first small upload and download, bytes. */
  readonly growthUpBytes: number;
  readonly growthDownBytes: number;
  readonly secondsUp: number;
  readonly secondsDown: number;
}

const WARM_UP_BYTES = 8 * 2 ** 20;

/** Sends a file of this size to an API process of its own and fetches it back, streaming both, while its memory is watched. */
export async function measureTransfer(
  sizeBytes: number,
  send: (api: Api, sizeBytes: number) => Promise<Sent> = sendWhole,
): Promise<Transfer> {
  const cloned = await cloneDatabase();
  const folder = await mkdtemp(join(tmpdir(), "filemill-large-"));
  const child = fork(join(import.meta.dirname, "large-transfer.ts"), [cloned.url, folder], { execPath: process.execPath });
  try {
    const tenantId = uuidv7();
    const key = await cloned.database.asSystem(async (transaction) => {
      await transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, 'large')`);
      return createKey(transaction, { tenantId, name: "large", role: "user", actor: "system" });
    });
    const { url } = z.object({ url: z.string() }).parse((await once(child, "message"))[0]);
    const api = { url: `${url}/api/v1/files`, authorization: `Bearer ${key.text}` };
    await receive(api, (await send(api, WARM_UP_BYTES)).id);

    const before = await ask(child, "reset");
    const startUp = performance.now();
    const sent = await send(api, sizeBytes);
    const secondsUp = (performance.now() - startUp) / 1_000;
    const up = await ask(child, "peak");
    const reset = await ask(child, "reset");
    const startDown = performance.now();
    const received = await receive(api, sent.id);
    const secondsDown = (performance.now() - startDown) / 1_000;
    const down = await ask(child, "peak");
    return {
      sha256: [sent.sha256, sent.told, received],
      growthUpBytes: up.peak - before.rss,
      growthDownBytes: down.peak - Math.min(before.rss, reset.rss),
      secondsUp,
      secondsDown,
    };
  } finally {
    child.disconnect();
    await once(child, "exit");
    await cloned.close();
    await rm(folder, { recursive: true });
  }
}

export interface Sent {
  readonly id: string;
  /** The sha256 that the server tells. */
  readonly told: string;
  readonly sha256: string;
}

export interface Api {
  /** Of the files. */
  readonly url: string;
  readonly authorization: string;
}

async function ask(child: ChildProcess, what: "reset" | "peak"): Promise<{ rss: number; peak: number }> {
  const answer = once(child, "message");
  child.send(what);
  return z.object({ rss: z.number(), peak: z.number() }).parse((await answer)[0]);
}

async function sendWhole(api: Api, sizeBytes: number): Promise<Sent> {
  const content = transferBlocks();
  const sending = request(`${api.url}/large.bin`, {
    method: "PUT",
    headers: { authorization: api.authorization, "content-length": sizeBytes },
  });
  const answered = once(sending, "response");
  await pipeline(Readable.from(content.read(sizeBytes), { objectMode: false }), sending);
  const [response] = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const { files } = z
    .object({ files: z.array(z.object({ id: z.string(), sha256: z.string() })) })
    .parse(JSON.parse(Buffer.concat(chunks).toString()));
  return { id: files[0]?.id ?? "", told: files[0]?.sha256 ?? "", sha256: content.sha256() };
}

async function receive(api: Api, id: string): Promise<string> {
  const asking = request(`${api.url}/${id}/content`, { headers: { authorization: api.authorization } });
  asking.end();
  const [response] = await once(asking, "response");
  const hash = createHash("sha256");
  for await (const chunk of response) hash.update(chunk);
  return hash.digest("hex");
}
