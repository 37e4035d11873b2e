import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { ConfigError } from "../errors.ts";

export interface HeldRootKeys {
  /** Versions that this process holds itself; none where a service keeps them all. */
  versions(): Promise<readonly string[]>;
  /** Is that version kept by a service, which is asked when it is needed? */
  isElsewhere(version: string): boolean;
  /** What the operator has set, for messages. */
  readonly where: string;
  /** What to do where this process should hold a key and there never was one; left out where a service keeps it. */
  readonly howToMake?: string;
  /** Makes a first key where there is none yet; left out where that is not ours to do. */
  readonly makeMissing?: () => Promise<void>;
}

/** Any number that no other lock uses. */
const LOCK = 7_204_118;

/**
 * At the start of every process: is the root key that it was given the one of this installation? A key is only ever made
 * where the installation has none, under one lock of the database, so that of many first starters one makes it. Rejects
 * ConfigError where tenants' keys are wrapped under a root key that is not here: nothing could be read, and what was
 * written under another one could not be read by the others.
 */
export async function claimRootKey(database: Database, held: HeldRootKeys): Promise<void> {
  await database.asSystem(async (transaction) => {
    await transaction.query(sql`SELECT pg_advisory_xact_lock(${LOCK})`);
    const needed = await neededVersions(transaction);
    if (needed.length === 0 && held.makeMissing !== undefined) await held.makeMissing();
    const versions = await held.versions();
    const missing = needed.filter((version) => !versions.includes(version) && !held.isElsewhere(version));
    if (missing.length > 0) throw lost(held.where, missing);
    if (versions.length === 0 && held.howToMake !== undefined) throw new ConfigError([held.howToMake]);
    const known = await knownVersions(transaction);
    // Where nobody's key is wrapped yet, a key that was made for a first start and lost again may be replaced.
    const isFirst = known.length === 0 || (needed.length === 0 && held.makeMissing !== undefined);
    if (!isFirst && versions.length > 0 && !versions.some((version) => known.includes(version))) throw lost(held.where, known);
    await transaction.execute(sql`
      INSERT INTO root_keys (version) SELECT unnest(${[...versions]}::text[]) ON CONFLICT (version) DO NOTHING`);
  });
}

/** Under which tenants' keys are wrapped now. */
async function neededVersions(transaction: Transaction): Promise<string[]> {
  const rows = await transaction.query<{ version: string }>(sql`SELECT DISTINCT root_version AS version FROM tenant_keys`);
  return rows.map(({ version }) => version);
}

async function knownVersions(transaction: Transaction): Promise<string[]> {
  const rows = await transaction.query<{ version: string }>(sql`SELECT version FROM root_keys`);
  return rows.map(({ version }) => version);
}

function lost(where: string, versions: readonly string[]): ConfigError {
  return new ConfigError([
    `${where} does not hold the root key of this installation, ${versions.join(", ")}. Put it back, from the backup of it: without that key nothing that was stored can be read. No new one was made`,
  ]);
}
