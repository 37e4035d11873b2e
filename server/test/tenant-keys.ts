import type { Database } from "../src/db/database.ts";
import { createKeyAdmin, type KeyAdmin } from "../src/lifecycle/keys/key-admin.ts";
import { createEnvProvider } from "../src/storage/keys/env-provider.ts";
import type { KeyProvider } from "../src/storage/keys/key-provider.ts";
import { newRootKey } from "../src/storage/keys/local-keys.ts";
import { createTenantKeys, type TenantKeyRow, type TenantKeyRows, type TenantKeys } from "../src/storage/keys/tenant-keys.ts";
import { tenantKeyRows } from "../src/tenants/tenant-key-rows.ts";

/** Of test installations, so that processes and the test itself open what the others sealed. */
export const TEST_ROOT_KEY = Buffer.alloc(32, "root key of tests").toString("base64");

/** The keys of the installation in that database. */
export function keysFor(database: Database, provider: KeyProvider = createEnvProvider(TEST_ROOT_KEY)): TenantKeys {
  return createTenantKeys({ provider, rows: tenantKeyRows(database) });
}

/** Rotation without the rounds that follow it. */
export function keyAdminFor(database: Database, provider: KeyProvider = createEnvProvider(TEST_ROOT_KEY)): KeyAdmin {
  return createKeyAdmin({ database, provider, rounds: { wake: () => {} } });
}

/** Real keys under a root key of their own, whose rows are in memory: for tests without a database. */
export function keysInMemory(): TenantKeys {
  const rows = new Map<string, TenantKeyRow>();
  const kept: TenantKeyRows = {
    current: async (tenantId) => rows.get(tenantId),
    find: async (tenantId, version) => (rows.get(tenantId)?.version === version ? rows.get(tenantId) : undefined),
    async addFirst(tenantId, row) {
      if (!rows.has(tenantId)) rows.set(tenantId, row);
      return rows.get(tenantId) ?? row;
    },
  };
  return createTenantKeys({ provider: createEnvProvider(newRootKey()), rows: kept });
}
