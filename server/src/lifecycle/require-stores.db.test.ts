import { access, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { sql } from "../db/sql.ts";
import { openDiskStore } from "../storage/disk.ts";
import { parseStoreUrls } from "../store-urls.ts";
import { openKnownStores } from "./require-stores.ts";

let cloned: ClonedDatabase;
let folder: string;
const tenantId = uuidv7();
const fileId = uuidv7();
const key = `${tenantId}/${fileId}/0/0`;

/** Of a folder, which need not be there. */
const url = (name: string, query: string) => `${pathToFileURL(join(folder, name)).href}?${query}`;

async function start(urls: string): Promise<void> {
  const stores = await openKnownStores(cloned.database, { stores: parseStoreUrls(urls, {}), spoolFolder: join(folder, "spool") });
  await stores.close();
}

beforeAll(async () => {
  cloned = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-stores-"));
  await cloned.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, 'stores')`),
  );
});
afterAll(async () => {
  await cloned.close();
  await rm(folder, { recursive: true, force: true });
});

it("starts with any stores where nothing is stored", async () => {
  await expect(start(url("anything", "name=anything"))).resolves.toBeUndefined();
});

describe("where a file is stored", () => {
  beforeAll(async () => {
    const first = await openDiskStore({ folder: join(folder, "first"), name: "first" });
    await first.put(key, Readable.from([Buffer.from("content")]));
    await cloned.database.asTenant(tenantId, async (transaction) => {
      await transaction.execute(sql`
        INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
        VALUES (${fileId}::uuid, ${tenantId}::uuid, 'a', 7, decode(repeat('00', 32), 'hex'), 'text/plain', 'upload')`);
      await transaction.execute(sql`
        INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes)
        VALUES (${fileId}::uuid, 0, ${tenantId}::uuid, 'first', ${key}, 7)`);
    });
  });

  it("refuses to start without its store, and says which names there are", async () => {
    await expect(start(url("renamed", "name=renamed"))).rejects.toThrow(/"renamed", but stored files are in "first"/);
    await expect(start(`${url("renamed", "name=renamed")},${url("first", "name=first")}`)).resolves.toBeUndefined();
  });

  it("refuses to start with a folder that holds nothing, and begins no store there", async () => {
    await mkdir(join(folder, "not-mounted"));
    for (const place of ["not-mounted", "not-there"]) {
      await expect(start(url(place, "name=first"))).rejects.toMatchObject({
        name: "ConfigError",
        message: expect.stringContaining("is its disk mounted?"),
      });
    }
    expect(await readdir(join(folder, "not-mounted"))).toEqual([]);
    await expect(access(join(folder, "not-there"))).rejects.toMatchObject({ code: "ENOENT" });
    await expect(start(url("not-mounted", "name=first&empty=accepted"))).resolves.toBeUndefined();
  });

  it("leaves files of a process that runs unavailable, not gone, while another can't start", async () => {
    const running = await openDiskStore({ folder: join(folder, "first"), name: "first" });
    await rename(join(folder, "first"), join(folder, "unmounted"));
    await mkdir(join(folder, "first"));
    await expect(start(url("first", "name=first"))).rejects.toThrow("is its disk mounted?");
    await expect(running.head(key)).rejects.toMatchObject({ code: "unavailable" });
    await rm(join(folder, "first"), { recursive: true });
    await rename(join(folder, "unmounted"), join(folder, "first"));
    expect(await running.head(key)).toMatchObject({ sizeBytes: 7 });
  });

  it("refuses to start with another store of the same name, which holds nothing", async () => {
    await openDiskStore({ folder: join(folder, "another"), name: "first" });
    await expect(start(url("another", "name=first"))).rejects.toThrow(/"first" is empty/);
    await expect(start(url("another", "name=first&empty=accepted"))).resolves.toBeUndefined();
  });

  it("takes a folder for another class as it is before files are there, and must find it afterwards", async () => {
    const cold = `cold=${encodeURIComponent(join(folder, "cold"))}`;
    await expect(start(url("first", `name=first&${cold}`))).resolves.toBeUndefined();
    await cloned.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE files SET storage_class = 'cold' WHERE id = ${fileId}::uuid`),
    );
    await rm(join(folder, "cold"), { recursive: true });
    await expect(start(url("first", `name=first&${cold}`))).rejects.toThrow("is its disk mounted?");
  });

  it("starts while a store is away", async () => {
    const silent = createServer((_request, response) => void response.writeHead(503).end());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const login = "access_key=a&secret_key=b&region=us-east-1";
    await expect(start(`s3://bucket?name=first&endpoint=http://127.0.0.1:${port}&${login}`)).resolves.toBeUndefined();
    await new Promise((resolve) => silent.close(resolve));
  });
});
