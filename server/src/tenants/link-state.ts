import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { LinkClaims } from "../link-token.ts";
import { appendAudit } from "../record/audit.ts";

/** How the key is had that a tenant's links are signed with; storage/keys does it. */
export interface LinkKeys {
  purposeKey(tenantId: string, purpose: "presign", version?: number): Promise<{ readonly version: number; readonly key: Buffer }>;
}

/** No link is for longer, so that what leaked ends by itself, and keys before a rotation can go. */
export const LINK_MAX_MS = 7 * 24 * 3_600_000;
export const LINK_DEFAULT_MS = 15 * 60_000;

/** Whose link this says it is, as uuids; nothing of it is proved. */
export interface LinkTarget {
  readonly tenantId: string;
  readonly objectId: string;
}

export function targetOf(claims: LinkClaims, kind: "file" | "link"): LinkTarget | undefined {
  const tenantId = decodeId("tenant", claims.tenant);
  const objectId = decodeId(kind, claims.object);
  return tenantId === undefined || objectId === undefined ? undefined : { tenantId, objectId };
}

/** What a new link has to hold, by the database's clock. */
export async function newLinkState(
  transaction: Transaction,
  { tenantId, objectId, expiresInMs }: LinkTarget & { readonly expiresInMs: number },
): Promise<{ epoch: number; exp: number }> {
  const [row] = await transaction.query<{ epoch: number; exp: number }>(sql`
    SELECT ${epochOf({ tenantId, objectId })} AS epoch,
      floor(extract(epoch FROM now() + ${expiresInMs} * interval '1 millisecond'))::float8 AS exp`);
  return row ?? { epoch: 0, exp: 0 };
}

/**
 * Has the link neither ended nor been revoked, and is there a key of that version? Asked at every use and never cached, so
 * that a revocation counts at once in every process. The version is looked for first, because a key store that is asked
 * for a key that never was can't tell that from being out of order.
 */
export async function isLive(transaction: Transaction, target: LinkTarget, claims: LinkClaims): Promise<boolean> {
  const [row] = await transaction.query<{ live: boolean }>(sql`
    SELECT now() < to_timestamp(${claims.exp}) AND ${epochOf(target)} = ${claims.epoch}
      AND EXISTS (SELECT FROM tenant_keys WHERE tenant_id = ${target.tenantId}::uuid AND version = ${claims.kid}) AS live`);
  return row?.live === true;
}

/** Has nothing been revoked since the link was made? */
export async function hasEpoch(transaction: Transaction, target: LinkTarget, epoch: number): Promise<boolean> {
  const [row] = await transaction.query<{ same: boolean }>(sql`SELECT ${epochOf(target)} = ${epoch} AS same`);
  return row?.same === true;
}

/** Ends all links to the object; to everything of the tenant where that is the object. */
export async function revokeLinks(
  transaction: Transaction,
  { tenantId, objectId, actor }: LinkTarget & { readonly actor: string },
  kind: "file" | "link" | "tenant",
): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO link_epochs (tenant_id, object_id, epoch) VALUES (${tenantId}::uuid, ${objectId}::uuid, 1)
    ON CONFLICT (tenant_id, object_id) DO UPDATE SET epoch = link_epochs.epoch + 1`);
  await appendAudit(transaction, { tenantId, actor, action: "link.revoke", object: encodeId(kind, objectId) });
}

function epochOf({ tenantId, objectId }: LinkTarget) {
  return sql`(SELECT coalesce(sum(epoch), 0)::int FROM link_epochs
    WHERE tenant_id = ${tenantId}::uuid AND object_id IN (${tenantId}::uuid, ${objectId}::uuid))`;
}
