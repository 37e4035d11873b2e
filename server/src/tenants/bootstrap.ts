import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConfigError } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { createKey } from "./api-keys.ts";
import { newKeyText, parseKey } from "./key-format.ts";
import { ensureTenant } from "./tenants.ts";

export interface Bootstrap {
  readonly tenantId: string;
  /** Where the first key can be read, if it can. */
  readonly keyFile: string | undefined;
  /** The first key, only when this call made it: to be shown once. */
  readonly newKey: string | undefined;
}

export interface BootstrapOptions {
  readonly dataFolder: string;
  /** FILEMILL_BOOTSTRAP_KEY: this is the first key, and no file is written. */
  readonly chosenKey?: string;
}

/** Any number that no other lock uses. */
const LOCK = 7_204_113;
const TENANT = "default";
const KEY_NAME = "bootstrap";

/**
 * The way in on the first start: tenant `default` and one API key that may do everything, in `<data folder>/admin.key`
 * (0600). The key is on the disk before it is in the database, and both happen under one lock of the database: killed in
 * between, the next start finds the file and makes that key good; of many starters at once, one makes it and the others
 * find it. Once the tenant has any key, nothing is made again, so that a revoked key does not come back from its file.
 * A chosen key is made good whenever it is unknown. Rejects with ConfigError where it can't be a key.
 */
export async function bootstrap(database: Database, options: BootstrapOptions): Promise<Bootstrap> {
  const { chosenKey } = options;
  return database.asSystem(async (transaction) => {
    await transaction.query(sql`SELECT pg_advisory_xact_lock(${LOCK})`);
    const tenantId = await ensureTenant(transaction, TENANT);
    if (chosenKey !== undefined) {
      await ensureChosenKey(transaction, { tenantId, text: chosenKey });
      return { tenantId, keyFile: undefined, newKey: undefined };
    }
    const keyFile = join(options.dataFolder, "admin.key");
    const kept = await readKeyFile(keyFile);
    if (await hasKeys(transaction, tenantId)) return { tenantId, keyFile: kept && keyFile, newKey: undefined };
    const text = kept ?? newKeyText();
    if (kept === undefined) await writeKeyFile(keyFile, text);
    await failpoint("bootstrap-after-key-file");
    await createFirstKey(transaction, { tenantId, text });
    await failpoint("bootstrap-before-commit");
    return { tenantId, keyFile, newKey: text };
  });
}

async function ensureChosenKey(transaction: Transaction, { tenantId, text }: { tenantId: string; text: string }): Promise<void> {
  const parts = parseKey(text);
  if (!parts)
    throw new ConfigError(["FILEMILL_BOOTSTRAP_KEY is not an API key: fml_live_… with 10, 43 and 6 characters and a right checksum."]);
  const [row] = await transaction.query<{ same: boolean }>(
    sql`SELECT secret_sha256 = ${parts.secretSha256} AS same FROM api_keys WHERE key_id = ${parts.keyId}`,
  );
  if (row && !row.same) throw new ConfigError(["FILEMILL_BOOTSTRAP_KEY has the id of another key that exists; choose a new key."]);
  if (!row) await createFirstKey(transaction, { tenantId, text });
}

/** `operator`: whoever starts the installation may also see to it, not only to one tenant. */
async function createFirstKey(transaction: Transaction, { tenantId, text }: { tenantId: string; text: string }): Promise<void> {
  await createKey(transaction, { tenantId, name: KEY_NAME, role: "operator", actor: "system", text });
}

async function hasKeys(transaction: Transaction, tenantId: string): Promise<boolean> {
  const rows = await transaction.query(sql`SELECT 1 FROM api_keys WHERE tenant_id = ${tenantId}::uuid LIMIT 1`);
  return rows.length > 0;
}

async function readKeyFile(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return parseKey(text.trim()) ? text.trim() : undefined;
}

/** Whole or not there, also after a power cut. A left-over of a killed start may have other rights, hence goes first. */
async function writeKeyFile(path: string, text: string): Promise<void> {
  const partial = `${path}.new`;
  await rm(partial, { force: true });
  const file = await open(partial, "wx", 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
  const folder = await open(dirname(path), "r");
  await folder.sync().finally(() => folder.close());
}
