import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { ContentKeys } from "../../storage/keys/content-keys.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import { destroyKeys } from "./destroy-keys.ts";
import { rewrapObjectKeys } from "./rewrap-object-keys.ts";
import { rewrapTenantKeys } from "./rewrap-tenant-keys.ts";

export interface KeyRoundOptions {
  readonly database: Database;
  readonly provider: KeyProvider;
  readonly contentKeys: ContentKeys;
  readonly log: Logger;
}

export interface KeyRounds {
  /** A round soon, because something was rotated. */
  wake(): void;
  /** Ends after the batch under way. */
  close(): Promise<void>;
}

const EVERY_MS = 10 * 60_000;
/** A round that takes longer loses its turn, not its work. */
const TURN = { idleMs: 3_600_000 };
/** Any number that no other lock uses. */
const LOCK = 7_204_119;

/**
 * What follows a rotation, in whichever of the processes that call this has the turn: keys are wrapped anew, and versions that
 * nobody needs are destroyed. All of it goes on where a dead process left it.
 */
export function startKeyRounds(options: KeyRoundOptions, everyMs: number = EVERY_MS): KeyRounds {
  const stop = new AbortController();
  let woken = Promise.withResolvers<void>();

  async function round(): Promise<void> {
    try {
      await options.database.asSystem(async (transaction) => {
        const [row] = await transaction.query<{ ours: boolean }>(sql`SELECT pg_try_advisory_xact_lock(${LOCK}) AS ours`);
        if (row?.ours === true) await runKeyRound(options, stop.signal);
      }, TURN);
    } catch (err) {
      if (!stop.signal.aborted) options.log.warn({ err }, "looking after keys failed; the next round tries again");
    }
  }

  async function rounds(): Promise<void> {
    while (!stop.signal.aborted) {
      await Promise.race([
        delay(everyMs * (0.75 + Math.random() / 2), undefined, { signal: stop.signal, ref: false }).catch(() => undefined),
        woken.promise,
      ]);
      woken = Promise.withResolvers<void>();
      if (!stop.signal.aborted) await round();
    }
  }

  const running = rounds();
  return {
    wake: () => woken.resolve(),
    async close() {
      stop.abort();
      woken.resolve();
      await running;
    },
  };
}

/** Rejects StorageError where the key store is away, or a database error; what was done by then stays done. */
export async function runKeyRound(options: KeyRoundOptions, signal?: AbortSignal): Promise<void> {
  const tenantKeys = await rewrapTenantKeys({ ...options, signal });
  const objectKeys = await rewrapObjectKeys({ ...options, signal });
  const destroyed = await destroyKeys(options.database);
  const { log } = options;
  if (tenantKeys.rewrapped + objectKeys.rewrapped + destroyed > 0) {
    log.info({ tenantKeys: tenantKeys.rewrapped, objectKeys: objectKeys.rewrapped, destroyed }, "keys were wrapped anew");
  }
  if (tenantKeys.left + objectKeys.left > 0) {
    log.error({ tenantKeys: tenantKeys.left, objectKeys: objectKeys.left }, "keys can't be unwrapped and stay as they are");
  }
}
