import type { BlobClient, BlockBlobClient, ContainerClient } from "@azure/storage-blob";
import type { Guard } from "../remote/guard.ts";
import type { PartHolders } from "../remote/part-holders.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";

/** Where a store's objects are, and by what means: what all of its operations share. */
export interface Container {
  /** Of the store. */
  readonly name: string;
  readonly client: ContainerClient;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly guard: Guard;
  readonly holders: PartHolders;
}

/** On every object of ours: which write made it, so that a write whose answer was lost can be recognised. Azure takes no hyphen here. */
export const WRITE_ID = "filemill_write";

/** Azure's names. Objects are made in the account's own tier where nothing is said, which is hot for us. */
export const TIERS: Readonly<Record<StorageClass, string>> = { hot: "Hot", cold: "Cool", archive: "Archive" };

export function blobAt({ client, prefix }: Container, key: string): BlockBlobClient & BlobClient {
  return client.getBlockBlobClient(prefix + key);
}

/** The request's option for a class. */
export function tierOption(storageClass: StorageClass | undefined): { tier?: string } {
  return storageClass === undefined || storageClass === "hot" ? {} : { tier: TIERS[storageClass] };
}
