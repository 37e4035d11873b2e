import { randomBytes, randomUUID } from "node:crypto";
import { systemClock, type Clock } from "../../clock.ts";
import { StorageError } from "../../errors.ts";
import { keyFor } from "./hkdf.ts";
import type { KeyProvider, RootWrapped } from "./key-provider.ts";
import { createRecent } from "./recent.ts";
import { nameText } from "./wrap.ts";

/** What a tenant's secret is used for. Each has a key of its own, derived from the secret, so that none can stand in for another. */
export type KeyPurpose = (typeof PURPOSES)[number];

const PURPOSES = ["object-wrap", "presign", "dedup"] as const;

export interface PurposeKey {
  /** UUID of the tenant's key. */
  readonly id: string;
  /** Kept beside what was made with the key, to ask for the same one again. */
  readonly version: number;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** The tenants' keys, unwrapped in memory for a while. A tenant's first key is made when it is first needed. */
export interface TenantKeys {
  /**
   * The tenant's key for one purpose, in its current version or in that one. After a rotation an old version can be had for
   * at least eight days (RETIRED_DAYS of the rotation). Rejects StorageError unavailable where the key store is away or the
   * version is gone, or a database error.
   */
  purposeKey(tenantId: string, purpose: KeyPurpose, version?: number): Promise<PurposeKey>;
}

export interface TenantKeyRow extends RootWrapped {
  readonly id: string;
  readonly version: number;
}

/** Where the wrapped keys are: tenants/tenant-key-rows.ts. */
export interface TenantKeyRows {
  current(tenantId: string): Promise<TenantKeyRow | undefined>;
  find(tenantId: string, version: number): Promise<TenantKeyRow | undefined>;
  /** Gives the one that is there afterwards, whoever made it. */
  addFirst(tenantId: string, row: TenantKeyRow): Promise<TenantKeyRow>;
}

/** After a rotation a process may go on with the version before for so long. */
const CURRENT_MS = 30_000;
/** A key that the key store would no longer give is forgotten after so long. */
const UNWRAPPED_MS = 5 * 60_000;
/** Tenants at work at one time in one process; a kilobyte each. */
const MAX_KEPT = 10_000;

export function createTenantKeys(options: { provider: KeyProvider; rows: TenantKeyRows; clock?: Clock }): TenantKeys {
  const { provider, rows, clock = systemClock } = options;
  const currents = createRecent<TenantKeyRow>({ keptMs: CURRENT_MS, size: MAX_KEPT, clock });
  const unwrapped = createRecent<UnwrappedKey>({ keptMs: UNWRAPPED_MS, size: MAX_KEPT, clock });

  async function currentOf(tenantId: string): Promise<TenantKeyRow> {
    const row = await rows.current(tenantId);
    if (row !== undefined) return row;
    const name = { id: randomUUID(), version: 1 };
    const wrapped = await provider.wrap(randomBytes(32), tenantKeyName(tenantId, name));
    return await rows.addFirst(tenantId, { ...name, ...wrapped });
  }

  async function rowOf(tenantId: string, version: number): Promise<TenantKeyRow> {
    const row = await rows.find(tenantId, version);
    if (row !== undefined) return row;
    throw new StorageError("unavailable", `version ${version} of the key of tenant ${tenantId} does not exist any more`);
  }

  async function unwrap(tenantId: string, row: TenantKeyRow): Promise<UnwrappedKey> {
    const secret = await provider.unwrap(row, tenantKeyName(tenantId, row));
    return { id: row.id, version: row.version, keys: new Map(PURPOSES.map((purpose) => [purpose, keyFor(secret, purpose)])) };
  }

  return {
    async purposeKey(tenantId, purpose, version) {
      const current = version === undefined ? await currents.get(tenantId, () => currentOf(tenantId)) : undefined;
      const wanted = version ?? current?.version;
      const found = await unwrapped.get(`${tenantId}/${wanted}`, async () => {
        return await unwrap(tenantId, current ?? (await rowOf(tenantId, version ?? 0)));
      });
      const key = found.keys.get(purpose);
      if (key === undefined) throw new RangeError(`there is no key for "${purpose}"`);
      return { id: found.id, version: found.version, key };
    },
  };
}

interface UnwrappedKey {
  readonly id: string;
  readonly version: number;
  readonly keys: ReadonlyMap<KeyPurpose, Buffer>;
}

export function tenantKeyName(tenantId: string, { id, version }: { id: string; version: number }): string {
  return nameText({ purpose: "tenant-key", tenantId, keyId: id, version });
}
