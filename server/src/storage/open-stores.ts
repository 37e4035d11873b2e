import { mkdir } from "node:fs/promises";
import type { StoreConfig } from "../store-urls.ts";
import { openAzureStore } from "./azure/open.ts";
import { diskError } from "./disk-errors.ts";
import { openDiskStore } from "./disk.ts";
import type { ObjectStore } from "./object-store.ts";
import { createObjectStores, type ObjectStores } from "./object-stores.ts";
import { createPartHolders, type PartHolders } from "./remote/part-holders.ts";
import { openS3Store } from "./s3/open.ts";
import { createTieredStore } from "./tiered-store.ts";

/**
 * Opens what the configuration names. `spoolFolder`, which is made, holds what waits to be sent to remote stores. Rejects
 * StorageError where a folder can't be used; remote stores are not asked yet.
 */
export async function openStores(stores: readonly StoreConfig[], options: { spoolFolder: string }): Promise<ObjectStores> {
  const holders = createPartHolders(options.spoolFolder);
  if (stores.some(({ kind }) => kind !== "disk")) {
    await mkdir(options.spoolFolder, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw diskError(error, `folder ${options.spoolFolder}`);
    });
  }
  const members = [];
  for (const config of stores) {
    const { region, storageClass } = config;
    members.push({ store: await openStore(config, holders), storageClass, ...(region !== undefined && { region }) });
  }
  return createObjectStores(members);
}

async function openStore(config: StoreConfig, holders: PartHolders): Promise<ObjectStore> {
  switch (config.kind) {
    case "disk":
      return await openFolders(config);
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

async function openFolders(config: StoreConfig & { kind: "disk" }): Promise<ObjectStore> {
  const { name, folder, coldFolder, archiveFolder } = config;
  const hot = await openDiskStore({ folder, name });
  if (coldFolder === undefined && archiveFolder === undefined) return hot;
  return createTieredStore(name, {
    hot,
    ...(coldFolder !== undefined && { cold: await openDiskStore({ folder: coldFolder, name }) }),
    ...(archiveFolder !== undefined && { archive: await openDiskStore({ folder: archiveFolder, name }) }),
  });
}
