import { encodeId } from "@filemill/contract/ids.ts";
import { isDatabaseAway } from "../db/database-errors.ts";
import type { Database } from "../db/database.ts";
import type { AuditEntry } from "../record/audit.ts";
import { recordFiles, type StoredFile } from "../record/files.ts";
import { settleReservations, type Reservation } from "../tenants/quota-reservation.ts";

/** What one request wants to have recorded. */
export interface FilesToRecord {
  readonly tenantId: string;
  readonly actor: string;
  readonly files: readonly StoredFile[];
  /** Room that the files have; they take it with them. */
  readonly reservation?: Reservation | undefined;
  /** Called right before the COMMIT: what fails from there on may have happened all the same. */
  readonly beforeCommit: () => Promise<void>;
}

/** Requests in one transaction; more only make the first of them wait. */
const MAX_TOGETHER = 64;

/**
 * Records the files of a request, and the entry in the audit log that names them; resolves after the COMMIT.
 *
 * Requests of one tenant that come while a transaction of that tenant is under way in this process wait for it and then
 * share the next one: 16 clients at once cost the database two transactions where they would cost it 16. A request that
 * comes alone does not wait. Where the database refuses the shared transaction, each is recorded by itself, so
 * that none fails for another's sake. Throws what the database throws, and ReservationLost.
 */
export function recordTogether(database: Database, request: FilesToRecord): Promise<void> {
  const lines = linesOf(database);
  let line = lines.get(request.tenantId);
  const recorded = Promise.withResolvers<void>();
  const waiting = { request, recorded };
  if (line !== undefined) {
    line.push(waiting);
  } else {
    lines.set(request.tenantId, (line = [waiting]));
    void serve(database, request.tenantId, line);
  }
  return recorded.promise;
}

interface Waiting {
  readonly request: FilesToRecord;
  readonly recorded: PromiseWithResolvers<void>;
}

/** Never rejects. The tenant's line is there as long as it is served. */
async function serve(database: Database, tenantId: string, line: Waiting[]): Promise<void> {
  while (line.length > 0) await recordAll(database, tenantId, line.splice(0, MAX_TOGETHER));
  linesOf(database).delete(tenantId);
}

async function recordAll(database: Database, tenantId: string, together: readonly Waiting[]): Promise<void> {
  let committing = false;
  try {
    await database.asTenant(tenantId, async (transaction) => {
      const requests = together.map(({ request }) => request);
      await settleReservations(
        transaction,
        requests.map(({ reservation }) => reservation?.id),
      );
      await recordFiles(transaction, { files: requests.flatMap(({ files }) => files), audits: requests.flatMap(auditOf) });
      for (const request of requests) await request.beforeCommit();
      committing = true;
    });
    for (const { recorded } of together) recorded.resolve();
  } catch (error) {
    if (together.length > 1 && !committing && !isDatabaseAway(error)) {
      for (const each of together) await recordAll(database, tenantId, [each]);
    } else {
      for (const { recorded } of together) recorded.reject(error);
    }
  }
}

/** One entry a request, which names all its files. */
export function auditOf({ tenantId, actor, files }: Pick<FilesToRecord, "tenantId" | "actor" | "files">): AuditEntry[] {
  const [first, ...others] = files.map(({ id }) => encodeId("file", id));
  if (first === undefined) return [];
  return [{ tenantId, actor, action: "file.upload", object: first, detail: others.length === 0 ? {} : { also: others } }];
}

const linesOfDatabases = new WeakMap<Database, Map<string, Waiting[]>>();

function linesOf(database: Database): Map<string, Waiting[]> {
  let lines = linesOfDatabases.get(database);
  if (!lines) linesOfDatabases.set(database, (lines = new Map()));
  return lines;
}
