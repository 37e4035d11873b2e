import { BlobServiceClient, type ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { collect } from "../../../test/collect/collected.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../../test/engine/platform.ts";
import { startAzurite, type Azurite } from "../../../test/stores/azurite.ts";
import type { NamedAzure } from "../../config-sources.ts";
import { getJob } from "../../jobs/queries.ts";

const ODD_NAMES = ["a b/ü?#&=%25.txt", "plus+sign.txt", "quote'.txt"];
/** More than one page. */
const MANY = 1_050;

let azurite: Azurite;
let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let container: ContainerClient;
let tenantId: string;
beforeAll(async () => {
  azurite = await startAzurite();
  const service = BlobServiceClient.fromConnectionString(azurite.connectionString);
  container = service.getContainerClient("inbox");
  await container.create();
  const { account, key, endpoint } = azurite;
  const place: NamedAzure = { kind: "azure", tenants: "*", container: "inbox", prefix: "in/", account, endpoint, access: { key } };
  const wrong = { key: Buffer.from("another key").toString("base64") };
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  const named = new Map<string, NamedAzure>([
    ["reports", place],
    ["locked", { ...place, access: wrong }],
    ["gone", { ...place, container: "no-such-container" }],
  ]);
  platform = await openPlatform(clone.database, { named });
  await platform.worker();
  for (const name of ODD_NAMES) await put(`in/odd/${name}`, `content of ${name}`);
  await put("outside.txt", "not below the prefix");
  const numbers = Array.from({ length: MANY }, (_unused, number) => number).values();
  const putting = async () => {
    for (const number of numbers) await put(`in/many/${String(number).padStart(5, "0")}.txt`, `${number}`);
  };
  await Promise.all(Array.from({ length: 16 }, putting));
});
afterAll(async () => {
  await platform.close();
  await clone.close();
  await azurite.stop();
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

async function put(name: string, text: string): Promise<void> {
  await container.getBlockBlobClient(name).upload(text, Buffer.byteLength(text));
}

test("blobs below a prefix are collected in the order of their names, over pages, and each as it is", async () => {
  const many = await collect({ engine, platform, tenantId }, { kind: "azure", from: "reports", prefix: "many/" });
  expect(many.status).toBe("completed");
  expect(many.files.map((file) => file.name)).toEqual(
    Array.from({ length: MANY }, (_unused, number) => `${String(number).padStart(5, "0")}.txt`),
  );
  const odd = await collect({ engine, platform, tenantId }, { kind: "azure", from: "reports", prefix: "odd/" });
  expect(odd.status).toBe("completed");
  expect(odd.files.map((file) => file.size)).toEqual(ODD_NAMES.map((name) => Buffer.byteLength(`content of ${name}`)));
  expect(odd.files[1]?.location).toBe(`${azurite.endpoint}/inbox/in/odd/plus%2Bsign.txt`);
});

test("what has not changed since an earlier job is not fetched again", async () => {
  await collect({ engine, platform, tenantId }, { kind: "azure", from: "reports", prefix: "odd/" });
  await put(`in/odd/${ODD_NAMES[1]}`, "changed");
  const { jobId } = await collect({ engine, platform, tenantId }, { kind: "azure", from: "reports", prefix: "odd/" });
  const { source } = await getJob(clone.database, { tenantId, jobId });
  expect(source).toMatchObject({ listed: 3, collected: 1, unchanged: 2 });
});

test("a public container needs no name, and a signature may not stand in a job", async () => {
  const url = `${azurite.endpoint}/public`;
  const open = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient("public");
  await open.create({ access: "container" });
  await open.getBlockBlobClient("open.txt").upload("open", 4);
  const { files } = await collect({ engine, platform, tenantId }, { kind: "azure", container: url });
  expect(files).toMatchObject([{ name: "open.txt", location: `${url}/open.txt` }]);
  const { jobId } = await collect({ engine, platform, tenantId }, { kind: "azure", container: `${url}?sv=1&sig=secret` });
  const { error } = await getJob(clone.database, { tenantId, jobId });
  expect(error).toMatchObject({ code: "source_refused" });
  expect(error?.message).not.toContain("secret");
});

test.each([
  ["a container that is not there", { from: "gone" }, "source_missing"],
  ["a wrong key", { from: "locked" }, "source_denied"],
  ["a name that is not configured", { from: "unknown" }, "source_refused"],
  ["an account that is somewhere inside", { container: "http://169.254.169.254/container" }, "source_refused"],
])("%s", async (_what, place, code) => {
  const { jobId, status } = await collect({ engine, platform, tenantId }, { kind: "azure", ...place });
  expect(status).toBe("failed");
  expect((await getJob(clone.database, { tenantId, jobId })).error).toMatchObject({ code });
});
