import { mkdir } from "node:fs/promises";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import type { StoreConfig } from "../store-urls.ts";
import { openAzureStore } from "./azure/open.ts";
import { diskError } from "./disk-errors.ts";
import { openDiskStore } from "./disk.ts";
import type { ObjectStore } from "./object-store.ts";
import { createObjectStores, type ObjectStores } from "./object-stores.ts";
import { createPartHolders, type PartHolders } from "./remote/part-holders.ts";
import { openS3Store } from "./s3/open.ts";
import { createTieredStore } from "./tiered-store.ts";

export interface OpenOptions {
  /** Holds what waits to be sent to remote stores; made. */
  readonly spoolFolder: string;
  /** Has the store of that name objects in its folder, or in the one for a colder class? Then that must hold them: see openDiskStore. */
  readonly isInUse?: (name: string, storageClass: StorageClass) => boolean;
}

/**
 * Opens what the configuration names. Rejects StorageError where a folder can't be used; remote stores are not asked yet.
 */
export async function openStores(stores: readonly StoreConfig[], options: OpenOptions): Promise<ObjectStores> {
  const holders = createPartHolders(options.spoolFolder);
  if (stores.some(({ kind }) => kind !== "disk")) {
    await mkdir(options.spoolFolder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw diskError(error, `folder ${options.spoolFolder}`);
    });
  }
  const members = [];
  for (const config of stores) {
    const { region, storageClass } = config;
    members.push({ store: await openStore(config, { holders, ...options }), storageClass, ...(region !== undefined && { region }) });
  }
  return createObjectStores(members);
}

async function openStore(config: StoreConfig, options: OpenOptions & { readonly holders: PartHolders }): Promise<ObjectStore> {
  const { holders } = options;
  switch (config.kind) {
    case "disk":
      return await openFolders(config, options);
    case "s3": {
      const { awsRegion, endpoint, credentials, profile, ...same } = config;
      return openS3Store({
        ...same,
        holders,
        ...(awsRegion !== undefined && { awsRegion }),
        ...(endpoint !== undefined && { endpoint }),
        ...(credentials !== undefined && { credentials }),
        ...(profile !== undefined && { profile }),
      });
    }
    case "azure":
      return openAzureStore({ ...config, holders });
  }
}

async function openFolders(config: StoreConfig & { kind: "disk" }, { isInUse }: OpenOptions): Promise<ObjectStore> {
  const { name, coldFolder, archiveFolder } = config;
  const open = (folder: string, storageClass: StorageClass) =>
    openDiskStore({ folder, name, mustHold: !config.mayBeEmpty && isInUse?.(name, storageClass) === true });
  const hot = await open(config.folder, "hot");
  if (coldFolder === undefined && archiveFolder === undefined) return hot;
  return createTieredStore(name, {
    hot,
    ...(coldFolder !== undefined && { cold: await open(coldFolder, "cold") }),
    ...(archiveFolder !== undefined && { archive: await open(archiveFolder, "archive") }),
  });
}
