import type { KeysConfig } from "../src/config-keys.ts";
import type { Database } from "../src/db/database.ts";
import { ConfigError, StorageError } from "../src/errors.ts";
import { makeRootKeyFile } from "../src/storage/keys/file-provider.ts";
import type { KeyProvider } from "../src/storage/keys/key-provider.ts";
import { isLocalVersion } from "../src/storage/keys/local-keys.ts";
import { openKeyProvider } from "../src/storage/keys/open-provider.ts";
import { createTenantKeys, type TenantKeys } from "../src/storage/keys/tenant-keys.ts";
import { claimRootKey } from "../src/tenants/claim-root-key.ts";
import { tenantKeyRows } from "../src/tenants/tenant-key-rows.ts";

export interface OpenKeys {
  readonly provider: KeyProvider;
  readonly tenantKeys: TenantKeys;
}

/** The root key of this installation, made where this is its first start. Rejects ConfigError where it is lost or can't be used. */
export async function openKeys(database: Database, config: KeysConfig): Promise<OpenKeys> {
  const provider = await openKeyProvider(config);
  const { file } = config;
  await claimRootKey(database, {
    versions: () => localVersions(provider),
    isElsewhere: (version) => !isLocalVersion(version) && provider.owns(version),
    where: file ?? (config.text === undefined ? "FILEMILL_KMS_URL" : "FILEMILL_ROOT_KEY"),
    ...(config.service === undefined && {
      howToMake: `There is no root key in ${file}. Make one, and keep a copy apart from the data: openssl rand -base64 32 > ${file} && chmod 400 ${file}`,
    }),
    ...(config.mayMakeFile && file !== undefined && { makeMissing: () => makeRootKeyFile(file) }),
  });
  return { provider, tenantKeys: createTenantKeys({ provider, rows: tenantKeyRows(database) }) };
}

async function localVersions(provider: KeyProvider): Promise<readonly string[]> {
  try {
    return ((await provider.versions()) ?? []).filter(isLocalVersion);
  } catch (error) {
    if (error instanceof StorageError) throw new ConfigError([error.message]);
    throw error;
  }
}
