import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { inject } from "vitest";
import { createPartHolders } from "../../src/storage/remote/part-holders.ts";
import type { S3Options } from "../../src/storage/s3/open.ts";
import type { Radosgw } from "./radosgw.ts";
import { COLD_CLASS } from "./radosgw.ts";

export type SharedRadosgw = Omit<Radosgw, "stop">;

/** The radosgw of this run; starts it, which takes 15 s, where nobody has asked before. */
export async function sharedRadosgw(): Promise<SharedRadosgw> {
  const response = await fetch(inject("sharedServices"));
  if (!response.ok) throw new Error(`radosgw does not start: ${await response.text()}`);
  return (await response.json()) as SharedRadosgw; // What shared-services.ts answers.
}

/** A bucket of its own there, as a store is opened with it. */
export async function newBucket(radosgw: SharedRadosgw): Promise<S3Options> {
  const { endpoint, ...credentials } = radosgw;
  const bucket = `bucket-${randomUUID()}`;
  const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return {
    name: "s3",
    bucket,
    prefix: "",
    awsRegion: "us-east-1",
    endpoint,
    forcePathStyle: true,
    credentials,
    classNames: { cold: COLD_CLASS },
    holders: createPartHolders(tmpdir()),
  };
}
