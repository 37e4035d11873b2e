import { HeadObjectCommand, type HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { ObjectHead } from "../object-store.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { at, WRITE_ID, type Bucket } from "./bucket.ts";
import { doubtMissing, isMissing } from "../remote/doubt.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";

export interface S3Head extends ObjectHead {
  readonly writeId: string | undefined;
  /** MD5 of the content, or of its parts' MD5s; undefined where it is something else. */
  readonly etag: string | undefined;
  /** `Restore` of an archived object: whether it is being brought back, or has been for a time. */
  readonly restore: string | undefined;
}

/**
 * What the bucket has under `key`. `doubt`: how many times a 404 is asked again; where the database or we ourselves just
 * said that the object exists, a 404 is more likely to be wrong than right.
 */
export async function headObject(
  bucket: Bucket,
  key: string,
  { doubt = 2, signal }: { doubt?: number; signal?: AbortSignal | undefined } = {},
): Promise<S3Head | undefined> {
  const ask = () => bucket.guard.run(`head ${key}`, (attempt) => askHead(bucket, key, attempt), { signal });
  try {
    return headOf(bucket, await doubtMissing(ask, { times: doubt, signal }));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function askHead(bucket: Bucket, key: string, signal: AbortSignal): Promise<HeadObjectCommandOutput> {
  const answer = await bucket.client.send(new HeadObjectCommand(at(bucket, key)), { abortSignal: signal });
  // A proxy's page in place of the answer has none of these.
  if (answer.ContentLength === undefined || answer.ETag === undefined || answer.LastModified === undefined) {
    throw new WrongAnswer("the answer has no length, ETag or time");
  }
  return answer;
}

function headOf({ classNames }: Bucket, answer: HeadObjectCommandOutput): S3Head {
  const named = Object.entries(classNames).find(([, name]) => name === answer.StorageClass)?.[0];
  return {
    sizeBytes: answer.ContentLength ?? 0,
    modifiedAt: answer.LastModified ?? new Date(0),
    storageClass: (named as StorageClass | undefined) ?? "hot", // The keys of classNames are classes.
    writeId: answer.Metadata?.[WRITE_ID],
    etag: etagOf(answer),
    restore: answer.Restore,
  };
}

export interface EtagAnswer {
  readonly ETag?: string | undefined;
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/** Undefined where the bucket encrypts with keys of its own (SSE-KMS, SSE-C): the ETag then is no MD5. */
export function etagOf({ ETag = "", ServerSideEncryption, SSECustomerAlgorithm }: EtagAnswer): string | undefined {
  if (ServerSideEncryption?.startsWith("aws:kms") || SSECustomerAlgorithm !== undefined) return undefined;
  return ETag.replaceAll('"', "").toLowerCase();
}
