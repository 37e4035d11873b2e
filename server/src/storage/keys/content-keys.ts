import { StorageError } from "../../errors.ts";
import type { Seal } from "../stored-content.ts";
import type { TenantKeys } from "./tenant-keys.ts";
import { takeRandom } from "./take-random.ts";
import { nameText, unwrapKey, wrapKey } from "./wrap.ts";

/** A data key for each stored object, wrapped under its tenant's key. */
export interface ContentKeys {
  /** A new key for one object. Rejects as TenantKeys. */
  make(object: { tenantId: string; objectId: string }): Promise<{ dek: Buffer; seal: Seal }>;
  /** The key of one object. Rejects as TenantKeys, and StorageError damaged where the seal is not this object's. */
  open(object: SealedKey): Promise<Buffer>;
  /** The same data key under that version of the tenant's key. Rejects as `open`. */
  rewrap(object: SealedKey, version: number): Promise<Seal>;
}

export interface SealedKey {
  readonly tenantId: string;
  readonly objectId: string;
  readonly seal: Seal;
}

const DEK_BYTES = 32;

export function createContentKeys(tenantKeys: TenantKeys): ContentKeys {
  async function open({ tenantId, objectId, seal }: SealedKey): Promise<Buffer> {
    const { id, key } = await tenantKeys.purposeKey(tenantId, "object-wrap", seal.kekVersion);
    const dek = id === seal.kekId ? unwrapKey(seal.wrappedDek, key, objectKeyName(tenantId, objectId)) : undefined;
    if (dek !== undefined) return dek;
    throw new StorageError("damaged", `the data key of object ${objectId} is not what was stored`);
  }

  async function wrap(
    dek: Buffer,
    { tenantId, objectId, version }: Omit<SealedKey, "seal"> & { readonly version?: number },
  ): Promise<Seal> {
    const under = await tenantKeys.purposeKey(tenantId, "object-wrap", version);
    return { kekId: under.id, kekVersion: under.version, wrappedDek: wrapKey(dek, under.key, objectKeyName(tenantId, objectId)) };
  }

  return {
    async make(object) {
      const dek = takeRandom(DEK_BYTES);
      return { dek, seal: await wrap(dek, object) };
    },
    open,
    rewrap: async (object, version) => await wrap(await open(object), { ...object, version }),
  };
}

/** A data key has one version: another key is another object. */
function objectKeyName(tenantId: string, objectId: string): string {
  return nameText({ purpose: "object-key", tenantId, keyId: objectId, version: 1 });
}
