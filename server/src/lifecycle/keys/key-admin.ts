import type { Database } from "../../db/database.ts";
import { Problem, StorageError } from "../../errors.ts";
import { appendAudit } from "../../record/audit.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import type { KeyRounds } from "./key-rounds.ts";
import { readKeyStatus, type KeyStatus } from "./key-status.ts";
import { rotateTenantKey, type Rotation } from "./rotate-tenant-key.ts";

/** What operators do with keys. Re-wrapping goes on behind it; the status tells how far it is. */
export interface KeyAdmin {
  status(): Promise<KeyStatus>;
  /** Throws Problem `conflict` where the provider can't rotate, with what to do instead. The entry in the log is of the operator's tenant. */
  rotateRoot(operator: Rotation): Promise<void>;
  /** See rotateTenantKey. */
  rotateTenant(rotation: Rotation): Promise<void>;
}

export function createKeyAdmin(options: { database: Database; provider: KeyProvider; rounds: Pick<KeyRounds, "wake"> }): KeyAdmin {
  const { database, provider, rounds } = options;
  return {
    status: () => readKeyStatus(options),
    async rotateRoot({ tenantId, actor }) {
      await rotateProvider(provider);
      const version = await provider.version();
      await database.asSystem((transaction) =>
        appendAudit(transaction, { tenantId, actor, action: "key.rotate", object: "root", detail: { version } }),
      );
      rounds.wake();
    },
    async rotateTenant(rotation) {
      await rotateTenantKey(options, rotation);
      rounds.wake();
    },
  };
}

/** What a provider says is for operators, who are the only ones to come here. */
async function rotateProvider(provider: KeyProvider): Promise<void> {
  try {
    await provider.rotate();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw new Problem("conflict", `The root key was not rotated: ${error.message}.`, { cause: error });
  }
}
