import { PutBucketAclCommand, PutObjectAclCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { collect } from "../../../test/collect/collected.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../../test/engine/platform.ts";
import { newBucket, sharedRadosgw } from "../../../test/stores/shared-radosgw.ts";
import type { NamedS3 } from "../../config-sources.ts";
import { getJob } from "../../jobs/queries.ts";

/** Keys may hold anything; none of these may become another one on its way. */
const ODD_KEYS = ["a b/ü?#&=%25.txt", "../up.txt", "double//slash.txt", "plus+sign.txt", "quote'\".txt"];
/** More than one page. */
const MANY = 1_050;

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let client: S3Client;
let bucket: string;
let endpoint: string;
let tenantId: string;
beforeAll(async () => {
  const radosgw = await sharedRadosgw();
  ({ endpoint } = radosgw);
  ({ bucket } = await newBucket(radosgw));
  const { endpoint: _endpoint, ...credentials } = radosgw;
  client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  const place: NamedS3 = { kind: "s3", tenants: "*", bucket, prefix: "in/", endpoint, region: "us-east-1", credentials, anonymous: false };
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  const named = new Map<string, NamedS3>([
    ["raw", place],
    ["theirs", { ...place, tenants: ["somebody"] }],
    ["locked", { ...place, credentials: { ...credentials, secretAccessKey: "wrong" } }],
  ]);
  platform = await openPlatform(clone.database, { named });
  await platform.worker();
  for (const key of ODD_KEYS) await put(`in/odd/${key}`, `content of ${key}`);
  await put("in/folder/", "");
  await put("outside.txt", "not below the prefix");
  const numbers = Array.from({ length: MANY }, (_unused, number) => number).values();
  const putting = async () => {
    for (const number of numbers) await put(`in/many/${String(number).padStart(5, "0")}.txt`, `${number}`);
  };
  await Promise.all(Array.from({ length: 16 }, putting));
});
afterAll(async () => {
  client.destroy();
  await platform.close();
  await clone.close();
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

async function put(key: string, text: string): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
}

test("objects below a prefix are collected in the order of their keys, over pages, and each as it is", async () => {
  const many = await collect({ engine, platform, tenantId }, { kind: "s3", from: "raw", prefix: "many/" });
  expect(many.status).toBe("completed");
  expect(many.files.map((file) => file.name)).toEqual(
    Array.from({ length: MANY }, (_unused, number) => `${String(number).padStart(5, "0")}.txt`),
  );

  const odd = await collect({ engine, platform, tenantId }, { kind: "s3", from: "raw", prefix: "odd/" });
  expect(odd.status).toBe("completed");
  expect(odd.files.map((file) => file.size).toSorted()).toEqual(ODD_KEYS.map((key) => Buffer.byteLength(`content of ${key}`)).toSorted());
  const [first] = odd.files;
  expect(first?.location).toBe(`s3://${bucket}/in/odd/../up.txt?endpoint=${encodeURIComponent(endpoint)}`);
});

test("what has not changed since an earlier job is not fetched again", async () => {
  const first = await collect({ engine, platform, tenantId }, { kind: "s3", from: "raw", prefix: "odd/" });
  await put(`in/odd/${ODD_KEYS[3]}`, "changed");
  const second = await collect({ engine, platform, tenantId }, { kind: "s3", from: "raw", prefix: "odd/" });
  const { source } = await getJob(clone.database, { tenantId, jobId: second.jobId });
  expect(source).toMatchObject({ listed: 5, collected: 1, unchanged: 4 });
  expect(second.files.map((file) => file.name)).toEqual(first.files.map((file) => file.name));
});

test("a pattern chooses among the names", async () => {
  const chosen = await collect({ engine, platform, tenantId }, { kind: "s3", from: "raw", match: "many/0000?.txt" });
  expect(chosen.files.map((file) => file.name)).toEqual(Array.from({ length: 10 }, (_unused, number) => `0000${number}.txt`));
});

test("a public bucket needs no name", async () => {
  await client.send(new PutBucketAclCommand({ Bucket: bucket, ACL: "public-read" }));
  await put("public/open.txt", "for everybody");
  await put("public/closed.txt", "not for everybody");
  await client.send(new PutObjectAclCommand({ Bucket: bucket, Key: "public/open.txt", ACL: "public-read" }));
  const { jobId, files } = await collect(
    { engine, platform, tenantId },
    { kind: "s3", bucket, endpoint, region: "us-east-1", prefix: "public/" },
  );
  expect(files.map((file) => file.name)).toEqual(["open.txt"]);
  expect((await getJob(clone.database, { tenantId, jobId })).error).toMatchObject({ code: "source_denied" });
});

test.each([
  ["a bucket that is not there", () => ({ bucket: "no-such-bucket", endpoint }), "source_missing"],
  ["a store that is somewhere inside", () => ({ bucket, endpoint: "http://169.254.169.254" }), "source_refused"],
  ["an endpoint with a password in it", () => ({ bucket, endpoint: endpoint.replace("://", "://user:pass@") }), "source_refused"],
  ["a name that is not configured", () => ({ from: "unknown" }), "source_refused"],
  ["a name that is for others", () => ({ from: "theirs" }), "source_refused"],
  ["wrong credentials", () => ({ from: "locked" }), "source_denied"],
])("%s", async (_what, place, code) => {
  const { jobId, status } = await collect({ engine, platform, tenantId }, { kind: "s3", ...place() });
  expect(status).toBe("failed");
  const { error } = await getJob(clone.database, { tenantId, jobId });
  expect(error).toMatchObject({ code });
  expect(error?.message).not.toContain("wrong");
});
