import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { readManifests } from "../../src/outputs/content.ts";
import { insertFiles } from "../../src/record/files.ts";
import { createFileProvider, makeRootKeyFile } from "../../src/storage/keys/file-provider.ts";
import { createTenantKeys } from "../../src/storage/keys/tenant-keys.ts";
import { tenantKeyRows } from "../../src/tenants/tenant-key-rows.ts";
import { receiveFile } from "../../src/uploads/receive.ts";
import { contentsWith } from "../contents-in.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { createMemoryStore } from "../memory-store.ts";
import { IN_A_ROTATION } from "./places.ts";

const PROGRAM = fileURLToPath(new URL("keys.ts", import.meta.url));
const tenantId = uuidv7();
const store = createMemoryStore();
/** Name of a file → its content. */
const stored = new Map<string, string>();

let clone: ClonedDatabase;
let folder: string;
let rootKeyFile: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-keys-"));
  rootKeyFile = join(folder, "root.key");
  await makeRootKeyFile(rootKeyFile);
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, 'rotated')`),
  );
  for (let index = 0; index < 30; index++) await put(`file ${index} `.repeat(index % 3 === 0 ? 4_000 : 1));
});
afterAll(async () => {
  await clone.close();
  await rm(folder, { recursive: true });
});

/** With the keys as a process has them that starts now. */
function contents() {
  return contentsWith(store, createTenantKeys({ provider: createFileProvider(rootKeyFile), rows: tenantKeyRows(clone.database) }));
}

async function put(text: string): Promise<void> {
  const body = Readable.from([Buffer.from(text)], { objectMode: false });
  const file = await receiveFile(body, { contents: contents(), tenantId, name: "a", metadata: {}, maxBytes: 2 ** 20 });
  await clone.database.asTenant(tenantId, (transaction) => insertFiles(transaction, [file]));
  stored.set(file.id, text);
}

async function expectAllReadable(): Promise<void> {
  const manifests = await clone.database.asTenant(tenantId, (transaction) => readManifests(transaction, tenantId, [...stored.keys()]));
  const now = contents();
  const texts = await Promise.all(manifests.map(async (manifest) => [manifest.id, (await now.bytes(manifest)).toString()] as const));
  expect(new Map(texts)).toEqual(stored);
}

async function rotate(failpoints: string): Promise<NodeJS.Signals | number | null> {
  const child = spawn(process.execPath, [PROGRAM, clone.url, rootKeyFile, tenantId, failpoints], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return signal ?? code;
}

test.each(IN_A_ROTATION)(
  "a rotation that is killed at %s leaves every file readable, and the next one ends what it began",
  async (failpoint) => {
    // Nothing is destroyed before its time: so that the destroying comes by as well.
    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE tenant_keys SET retired_at = retired_at - interval '30 days' WHERE retired_at IS NOT NULL`),
    );
    expect(await rotate(`${failpoint}:kill`)).toBe("SIGKILL");
    await expectAllReadable();
    await put(`stored after ${failpoint}`);
    expect(await rotate("")).toBe(0);
    await expectAllReadable();
    const old = await clone.database.asSystem((transaction) =>
      transaction.query(sql`
      SELECT FROM object_keys JOIN tenant_keys ON tenant_keys.id = kek_id AND version = kek_version WHERE retired_at IS NOT NULL`),
    );
    expect(old).toEqual([]);
  },
);

test("no copy of a key is left beside the file", async () => {
  expect(await readdir(folder)).toEqual(["root.key"]);
});
