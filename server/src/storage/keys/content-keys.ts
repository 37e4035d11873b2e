import { randomBytes } from "node:crypto";
import { StorageError } from "../../errors.ts";
import type { Seal } from "../stored-content.ts";
import type { TenantKeys } from "./tenant-keys.ts";
import { nameText, unwrapKey, wrapKey } from "./wrap.ts";

/** A data key for each stored object, wrapped under its tenant's key. */
export interface ContentKeys {
  /** A new key for one object. Rejects as TenantKeys. */
  make(object: { tenantId: string; objectId: string }): Promise<{ dek: Buffer; seal: Seal }>;
  /** The key of one object. Rejects as TenantKeys, and StorageError damaged where the seal is not this object's. */
  open(object: { tenantId: string; objectId: string; seal: Seal }): Promise<Buffer>;
}

const DEK_BYTES = 32;

export function createContentKeys(tenantKeys: TenantKeys): ContentKeys {
  return {
    async make({ tenantId, objectId }) {
      const { id, version, key } = await tenantKeys.purposeKey(tenantId, "object-wrap");
      const dek = randomBytes(DEK_BYTES);
      return { dek, seal: { kekId: id, kekVersion: version, wrappedDek: wrapKey(dek, key, objectKeyName(tenantId, objectId)) } };
    },
    async open({ tenantId, objectId, seal }) {
      const { id, key } = await tenantKeys.purposeKey(tenantId, "object-wrap", seal.kekVersion);
      const dek = id === seal.kekId ? unwrapKey(seal.wrappedDek, key, objectKeyName(tenantId, objectId)) : undefined;
      if (dek !== undefined) return dek;
      throw new StorageError("damaged", `the data key of object ${objectId} is not what was stored`);
    },
  };
}

/** A data key has one version: another key is another object. */
export function objectKeyName(tenantId: string, objectId: string): string {
  return nameText({ purpose: "object-key", tenantId, keyId: objectId, version: 1 });
}
