import type { S3Client } from "@aws-sdk/client-s3";
import type { Guard } from "../remote/guard.ts";
import type { PartHolders } from "../remote/part-holders.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";

/** Where a store's objects are, and by what means: what all of its operations share. */
export interface Bucket {
  /** Of the store. */
  readonly name: string;
  readonly client: S3Client;
  readonly bucket: string;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly guard: Guard;
  readonly holders: PartHolders;
  /** What S3 calls the classes; hot is the bucket's own default. */
  readonly classNames: Partial<Record<Exclude<StorageClass, "hot">, string>>;
}

/** On every object of ours: which write made it, so that a write whose answer was lost can be recognised. */
export const WRITE_ID = "filemill-write";

/** Names an object to the client library. */
export function at({ bucket, prefix }: Bucket, key: string): { Bucket: string; Key: string } {
  return { Bucket: bucket, Key: prefix + key };
}

/** The request's parameter for a class, nothing for hot or for one that this store doesn't have. */
export function classParameter({ classNames }: Bucket, storageClass: StorageClass | undefined): { StorageClass?: S3Class } {
  const name = storageClass === undefined || storageClass === "hot" ? undefined : classNames[storageClass];
  return name === undefined ? {} : { StorageClass: name as S3Class };
}

/** The library lists Amazon's; other servers have names of their own. */
type S3Class = "STANDARD_IA";
