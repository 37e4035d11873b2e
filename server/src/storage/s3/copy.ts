import { randomUUID } from "node:crypto";
import { CopyObjectCommand, RestoreObjectCommand } from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { at, classParameter, WRITE_ID, type Bucket } from "./bucket.ts";
import { doubtMissing, SURELY_THERE } from "../remote/doubt.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { headObject, type S3Head } from "./head.ts";

/** How long an object that was brought back from the archive can be read before it must be hot, or sinks again. */
const RESTORED_FOR_DAYS = 7;

/** Inside the server; no byte comes here. */
export async function copyObject(bucket: Bucket, from: string, to: string): Promise<void> {
  const source = await requireObject(bucket, from);
  if ((await headObject(bucket, to)) !== undefined) {
    throw new StorageError("exists", `${bucket.name}: copy ${from} to ${to}: the key is taken`);
  }
  await copyInside(bucket, { from, to, source, storageClass: source.storageClass });
}

/** S3 changes a class by copying an object onto itself. */
export async function setObjectClass(bucket: Bucket, key: string, wanted: StorageClass): Promise<"done" | "under_way"> {
  const source = await requireObject(bucket, key);
  const storageClass = wanted !== "hot" && bucket.classNames[wanted] === undefined ? "hot" : wanted;
  if (source.storageClass === storageClass) return "done";
  try {
    await copyInside(bucket, { from: key, to: key, source, storageClass });
    return "done";
  } catch (error) {
    if (!(error instanceof StorageError && error.code === "archived")) throw error;
  }
  if (source.restore === undefined) await bringBack(bucket, key);
  return "under_way";
}

async function requireObject(bucket: Bucket, key: string): Promise<S3Head> {
  const found = await headObject(bucket, key, { doubt: SURELY_THERE });
  if (found === undefined) throw new StorageError("not_found", `${bucket.name}: there is no object ${key}`);
  return found;
}

/** Copies, and makes sure that it is a whole copy of ours that is there now. */
async function copyInside(
  bucket: Bucket,
  { from, to, source, storageClass }: { from: string; to: string; source: S3Head; storageClass: StorageClass },
): Promise<void> {
  const writeId = randomUUID();
  const command = new CopyObjectCommand({
    ...at(bucket, to),
    StorageClass: "STANDARD",
    ...classParameter(bucket, storageClass),
    CopySource: `${bucket.bucket}/${bucket.prefix}${from}`,
    MetadataDirective: "REPLACE",
    Metadata: { [WRITE_ID]: writeId },
  });
  const ask = () =>
    bucket.guard.run(`copy ${from} to ${to}`, async (signal) => {
      const answer = await bucket.client.send(command, { abortSignal: signal });
      if (answer.CopyObjectResult?.ETag === undefined) throw new WrongAnswer("the answer tells of no copy");
    });
  await doubtMissing(ask, { times: SURELY_THERE });
  const copied = await headObject(bucket, to, { doubt: SURELY_THERE });
  if (copied?.writeId === writeId && copied.sizeBytes === source.sizeBytes) return;
  throw new StorageError("unavailable", `${bucket.name}: copy ${from} to ${to}: the store does not show the copy that it made`);
}

async function bringBack(bucket: Bucket, key: string): Promise<void> {
  const command = new RestoreObjectCommand({
    ...at(bucket, key),
    RestoreRequest: { Days: RESTORED_FOR_DAYS, GlacierJobParameters: { Tier: "Standard" } },
  });
  await bucket.guard.run(`bring back ${key}`, async (signal) => {
    await bucket.client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      if (!(error instanceof Error && error.name === "RestoreAlreadyInProgress")) throw error;
    });
  });
}
