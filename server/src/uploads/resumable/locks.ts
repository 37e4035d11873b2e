import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import { askForLock, releaseLock, renewLocks, takeLock, wantedLocks, type Fence } from "./lock-rows.ts";
import { assertThere, findUpload, type UploadRow } from "./upload-row.ts";

/**
 * One request at a time adds to an upload. The lock is columns of its row (holder, epoch, lease by the database's clock), so
 * that all API processes share it and none holds a connection for it.
 *
 * A client whose connection broke comes back before the server has noticed, so the newer request asks the older to let go:
 * it writes so into the row, where the older one's process looks four times a second. The older lets go at once where no
 * byte has come for half a second, and after two seconds in any case; of two that are really sent at the same time, the
 * first can so be done before it has to. What it was sent till then is recorded. Whoever waits gives up after a while with
 * `upload_locked` (423), which clients take for a reason to try again.
 */
export interface UploadLocks {
  /**
   * The upload, locked, or as it is where it takes no more bytes (completed). Throws Problem `not_found`, `gone` or
   * `upload_locked`.
   */
  take(wanted: { tenantId: string; id: string }): Promise<HeldUpload | EndedUpload>;
  /** Waits, as `take` does, until no request holds the upload, and gives it as it is then. */
  settled(wanted: { tenantId: string; id: string }): Promise<UploadRow>;
  /** Has every holder let go, as when another request asks; for a process that is to end. */
  letGo(): void;
}

export interface HeldUpload {
  readonly held: true;
  readonly upload: UploadRow;
  readonly fence: Fence;
  /** Aborts when this request should end. */
  readonly letGo: AbortSignal;
  /** A byte came. */
  active(): void;
  /** Never rejects: a lock that can't be given back now ends with its lease. */
  release(): Promise<void>;
}

export interface EndedUpload {
  readonly held: false;
  readonly upload: UploadRow;
}

const LOOK_MS = 250;
const RENEW_MS = 2_000;
/** Nothing has come for so long: the connection is taken for dead. */
const SILENT_MS = 500;
/** An active holder goes on for so long after it was asked. */
const HOLD_ON_MS = 2_000;
/** Longer than a holder needs to let go and to make durable what it has; shorter than clients wait for an answer. */
const WAIT_MS = 6_000;
const FIRST_LOOK_MS = 25;

interface Holding {
  readonly fence: Fence;
  readonly stop: AbortController;
  activeAt: number;
  askedAt: number | undefined;
}

export function createLocks({ database }: { database: Database }): UploadLocks {
  const holdings = new Set<Holding>();
  let watching = false;

  async function watch(): Promise<void> {
    let renewAt = performance.now() + RENEW_MS;
    while (holdings.size > 0) {
      await delay(LOOK_MS, undefined, { ref: false });
      const looked = [...holdings];
      const fences = looked.map(({ fence }) => fence);
      const renew = performance.now() >= renewAt;
      if (renew) renewAt = performance.now() + RENEW_MS;
      // The database is away: nobody can take a lock from us meanwhile, and what we write is fenced.
      const { ours, wanted } = await database
        .asSystem(async (transaction) => ({
          ours: renew ? await renewLocks(transaction, fences) : undefined,
          wanted: await wantedLocks(transaction, fences),
        }))
        .catch(() => ({ ours: undefined, wanted: new Set<string>() }));
      const now = performance.now();
      for (const holding of looked) {
        // Taken over while we stood still: nothing more that comes will count.
        if (ours?.has(holding.fence.uploadId) === false) holding.stop.abort();
        if (wanted.has(holding.fence.uploadId)) holding.askedAt ??= now;
        if (holding.askedAt === undefined) continue;
        if (now - holding.activeAt >= SILENT_MS || now - holding.askedAt >= HOLD_ON_MS) holding.stop.abort();
      }
    }
    watching = false;
  }

  function hold(upload: UploadRow, holder: string): HeldUpload {
    const { id: uploadId, tenantId, lockEpoch: epoch } = upload;
    const holding: Holding = {
      fence: { uploadId, tenantId, holder, epoch },
      stop: new AbortController(),
      activeAt: performance.now(),
      askedAt: undefined,
    };
    holdings.add(holding);
    if (!watching) {
      watching = true;
      void watch();
    }
    return {
      held: true,
      upload,
      fence: holding.fence,
      letGo: holding.stop.signal,
      active() {
        holding.activeAt = performance.now();
      },
      async release() {
        if (!holdings.delete(holding)) return;
        await database.asTenant(tenantId, (transaction) => releaseLock(transaction, holding.fence)).catch(() => undefined);
      },
    };
  }

  /** Asks again and again until `look` gives something; whoever waits holds no connection. */
  async function wait<T>(id: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + WAIT_MS;
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 2, LOOK_MS)) {
      const seen = await look();
      if (seen !== undefined) return seen;
      if (performance.now() > deadline) {
        const detail = `Another request holds the upload "${encodeId("upload", id)}" and did not let go of it. Ask for its offset and try again.`;
        throw new Problem("upload_locked", detail, { retryAfterSeconds: 1 });
      }
      await delay(lookMs * (0.75 + Math.random() / 2));
    }
  }

  return {
    async take({ tenantId, id }) {
      const holder = randomUUID();
      const found = await wait(id, () =>
        database.asTenant(tenantId, async (transaction) => {
          const upload = await takeLock(transaction, { uploadId: id, holder });
          if (upload) return { held: true as const, upload };
          const seen = await findUpload(transaction, id);
          assertThere(seen, id);
          if (seen.status === "completed") return { held: false as const, upload: seen };
          await askForLock(transaction, { uploadId: id, epoch: seen.lockEpoch });
          return undefined;
        }),
      );
      return found.held ? hold(found.upload, holder) : found;
    },
    settled({ tenantId, id }) {
      return wait(id, () =>
        database.asTenant(tenantId, async (transaction) => {
          const upload = await findUpload(transaction, id);
          assertThere(upload, id);
          if (!upload.locked) return upload;
          await askForLock(transaction, { uploadId: id, epoch: upload.lockEpoch });
          return undefined;
        }),
      );
    },
    letGo() {
      for (const { stop } of holdings) stop.abort();
    },
  };
}
