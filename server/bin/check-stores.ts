import { stat } from "node:fs/promises";
import { readConfig } from "../src/config.ts";
import { openStores } from "../src/storage/open-stores.ts";
import { probeStore } from "../src/storage/probe-store.ts";
import type { StoreConfig } from "../src/store-urls.ts";

/**
 * Can the configured stores be used from here? Writes, reads, lists and deletes one object in each. A line for each on
 * standard output; what is wrong on standard error, and 1 as the exit code.
 */
const WITHIN_MS = 10_000;

try {
  const { stores, spoolFolder } = readConfig(process.env).storage;
  for (const store of stores) await check(store, spoolFolder);
} catch (error) {
  complain(error);
}

async function check(config: StoreConfig, spoolFolder: string): Promise<void> {
  const where = placeOf(config);
  if (config.kind === "disk" && !(await exists(config.folder))) {
    console.log(`${config.name}: ${where} is made at the first start`);
    return;
  }
  try {
    const opened = await openStores([{ ...config, storageClass: "hot" }], { spoolFolder });
    try {
      for (const store of opened.all) await probeStore(store, AbortSignal.timeout(WITHIN_MS));
    } finally {
      await opened.close();
    }
    console.log(`${config.name}: ${where} can be written, read, listed and deleted`);
  } catch (error) {
    complain(error);
  }
}

/** Without what lets us in. */
function placeOf(config: StoreConfig): string {
  switch (config.kind) {
    case "disk":
      return config.folder;
    case "s3":
      return `bucket ${config.bucket}${config.endpoint === undefined ? "" : ` at ${new URL(config.endpoint).host}`}`;
    case "azure":
      return `container ${config.container} at ${new URL(config.endpoint).host}`;
  }
}

async function exists(folder: string): Promise<boolean> {
  return await stat(folder).then(
    () => true,
    () => false,
  );
}

function complain(error: unknown): void {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
