import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { ResumableServices } from "./resumable.ts";
import type { UploadRow } from "./upload-row.ts";

/** Behind the upload's own end, so that its room is never gone before it. */
const SLACK_MS = 3_600_000;

/**
 * Holds room under the tenant's limit for an upload as a whole, or for what is known of it, from its creation to its end,
 * however many requests and processes that takes; asking again changes the amount. A partial upload is no file yet. Throws
 * Problem `quota_exceeded`.
 */
export async function holdRoom(
  { quotas, limits }: Pick<ResumableServices, "quotas" | "limits">,
  { id, tenantId, kind }: Pick<UploadRow, "id" | "tenantId" | "kind">,
  bytes: number,
): Promise<void> {
  const until = new Date(Date.now() + limits.uploadExpiryMs + SLACK_MS);
  await quotas.hold({ tenantId, id, bytes, files: kind === "partial" ? 0 : 1, until });
}

/** In the transaction that records the file, which counts from then on, or that ends the upload. */
export async function giveRoomBack(transaction: Transaction, uploadIds: readonly string[]): Promise<void> {
  await transaction.execute(sql`DELETE FROM quota_reservations WHERE id = ANY(${uploadIds}::uuid[])`);
}
