import type { Database } from "../../db/database.ts";
import { readLink, type LinkClaims } from "../../link-token.ts";
import { isLive, targetOf, type LinkKeys } from "../../tenants/link-state.ts";
import { findUploadLink, type UploadLinkRow } from "./upload-link.ts";

/** A link that somebody may send a file by, or could have, where it is used. */
export interface OpenUploadLink {
  readonly row: UploadLinkRow;
  /** To be asked again when the file is recorded. */
  readonly claims: LinkClaims;
}

/** Undefined for every reason not to take it: no link of ours, changed, ended, revoked, for something else. */
export async function openUploadLink(
  { database, keys }: { readonly database: Database; readonly keys: LinkKeys },
  token: string,
): Promise<OpenUploadLink | undefined> {
  const link = readLink(token);
  const target = link && targetOf(link.claims, "link");
  if (link === undefined || target === undefined || link.claims.method !== "PUT" || link.claims.version !== "") return undefined;
  const { claims } = link;
  const row = await database.asTenant(target.tenantId, async (transaction) =>
    (await isLive(transaction, target, claims)) ? findUploadLink(transaction, target.tenantId, target.objectId) : undefined,
  );
  if (row === undefined) return undefined;
  const { key } = await keys.purposeKey(target.tenantId, "presign", claims.kid);
  return link.isBy(key) && claims.max === row.maxBytes ? { row, claims } : undefined;
}
