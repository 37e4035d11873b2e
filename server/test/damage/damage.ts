import { randomBytes, randomInt } from "node:crypto";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { decodeId } from "@filemill/contract/ids.ts";
import { sql } from "../../src/db/sql.ts";
import { encodePrefix } from "../../src/storage/encrypt/prefix.ts";
import { sealBytes } from "../../src/storage/encrypt/seal.ts";
import { objectPath } from "../../src/storage/disk-layout.ts";
import type { TestApp, TestTenant } from "../test-app.ts";

/** A stored file, its content, and where its bytes lie: a path of the disk store, or its row. */
export interface Victim {
  readonly id: string;
  readonly uuid: string;
  readonly content: Buffer;
  readonly path: string | undefined;
}

/** What a client got of a file before the connection ended. */
export interface Fetched {
  readonly status: number;
  readonly body: Buffer;
  /** Did all of the announced length come? */
  readonly isWhole: boolean;
}

export async function putVictim(app: TestApp, tenant: TestTenant, sizeBytes: number): Promise<Victim> {
  const content = randomBytes(sizeBytes);
  const answer = await tenant.fetch("/files/victim.bin", { method: "PUT", body: content });
  const { files } = (await answer.json()) as { files: { id: string }[] };
  const id = files[0]?.id ?? "";
  const uuid = decodeId("file", id) ?? "";
  const [segment] = await app.cloned.database.asTenant(tenant.id, (transaction) =>
    transaction.query<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE file_id = ${uuid}::uuid`),
  );
  return { id, uuid, content, path: segment && objectPath(app.folder, segment.key) };
}

export async function flipBit({ path, uuid }: Victim, app: TestApp): Promise<void> {
  if (path === undefined) {
    const flipping = sql`
      UPDATE inline_objects SET content = set_bit(content, floor(random() * 8 * octet_length(content))::bigint,
        1 - get_bit(content, floor(random() * 8 * octet_length(content))::bigint)) WHERE file_id = ${uuid}::uuid RETURNING content`;
    // Two draws of random(): so many times until something differs.
    const [before] = await contentOf(app, uuid);
    for (let after = before; after !== undefined && before !== undefined && after.equals(before);) {
      const [row] = await app.cloned.database.asSystem((transaction) => transaction.query<{ content: Buffer }>(flipping));
      after = row?.content;
    }
    return;
  }
  const bytes = await readFile(path);
  const at = randomInt(bytes.length);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInt(8));
  await writeFile(path, bytes);
}

async function contentOf(app: TestApp, uuid: string): Promise<Buffer[]> {
  const rows = await app.cloned.database.asSystem((transaction) =>
    transaction.query<{ content: Buffer }>(sql`SELECT content FROM inline_objects WHERE file_id = ${uuid}::uuid`),
  );
  return rows.map(({ content }) => content);
}

export async function cutTail(path: string): Promise<void> {
  const { length } = await readFile(path);
  await truncate(path, randomInt(length));
}

export async function swap(one: string, other: string): Promise<void> {
  const [first, second] = await Promise.all([readFile(one), readFile(other)]);
  await Promise.all([writeFile(one, second), writeFile(other, first)]);
}

/** Another content under the very same name, sealed with the key of another time. */
export async function replay(path: string, sizeBytes: number): Promise<void> {
  const head = await readFile(path);
  const { object, segment, tenant } = JSON.parse(head.toString("latin1", 7, 7 + head.readUInt16BE(5))) as Record<string, string>;
  const name = { tenantId: tenant ?? "", objectId: object ?? "", segment: Number(segment) };
  if (!head.subarray(0, encodePrefix(name).length).equals(encodePrefix(name))) throw new Error("the object's header was not understood");
  await writeFile(path, sealBytes(randomBytes(sizeBytes), { name, dek: randomBytes(32) }));
}

export async function fetchVictim(app: TestApp, tenant: TestTenant, { id }: Victim, range?: string): Promise<Fetched> {
  const asking = request(`${app.url}/api/v1/files/${id}/content`, {
    headers: { authorization: `Bearer ${tenant.key}`, ...(range !== undefined && { range }) },
  });
  return await new Promise((resolve, reject) => {
    asking.once("error", reject);
    asking.once("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("error", () => undefined);
      response.once("close", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts), isWhole: response.complete }));
    });
    asking.end();
  });
}
