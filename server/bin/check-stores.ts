import { access, constants } from "node:fs/promises";
import { dirname } from "node:path";
import { readConfig } from "../src/config.ts";
import { fsCode } from "../src/storage/disk-errors.ts";
import { holdsStore } from "../src/storage/disk-mark.ts";
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
  try {
    if (config.kind === "disk" && !(await holdsStore(config.folder))) {
      // Not begun by looking at it: it may be the empty folder of a disk that is not mounted.
      await requireWritable(config.folder);
      console.log(`${config.name}: ${where} holds no store yet, one is made at the first start; if it should, is its disk mounted?`);
      return;
    }
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

/** Also where it is still to be made: then what is above it. */
async function requireWritable(folder: string): Promise<void> {
  for (let place = folder; ; place = dirname(place)) {
    try {
      await access(place, constants.W_OK);
      return;
    } catch (error) {
      if (fsCode(error) !== "ENOENT" || place === dirname(place)) throw error;
    }
  }
}

function complain(error: unknown): void {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
