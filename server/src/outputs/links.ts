import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import { notFound } from "../errors.ts";
import { readLink, signLink } from "../link-token.ts";
import { appendAudit } from "../record/audit.ts";
import { isLive, newLinkState, revokeLinks, targetOf, type LinkKeys } from "../tenants/link-state.ts";
import { readManifests, type FileManifest } from "./content.ts";

export interface LinkServices {
  readonly database: Database;
  readonly keys: LinkKeys;
}

export interface Link {
  readonly token: string;
  readonly expiresAt: Date;
}

interface OwnFile {
  readonly tenantId: string;
  readonly fileId: string;
  readonly actor: string;
}

/** A link by which anybody can fetch the file. Throws Problem `not_found` where the tenant has no such stored file. */
export async function createDownloadLink(
  { database, keys }: LinkServices,
  { tenantId, fileId, actor, expiresInMs }: OwnFile & { readonly expiresInMs: number },
): Promise<Link> {
  const object = encodeId("file", fileId);
  // Before the transaction: it may ask a key store, and for a transaction of its own.
  const { version: kid, key } = await keys.purposeKey(tenantId, "presign");
  return database.asTenant(tenantId, async (transaction) => {
    const [manifest] = await readManifests(transaction, tenantId, [fileId]);
    if (manifest === undefined || manifest.origin === "intermediate") throw notFound("file", object);
    const state = await newLinkState(transaction, { tenantId, objectId: fileId, expiresInMs });
    const expiresAt = new Date(state.exp * 1_000);
    await appendAudit(transaction, {
      ...{ tenantId, actor, action: "link.create", object },
      detail: { method: "GET", expires_at: expiresAt.toISOString() },
    });
    const version = manifest.sha256.toString("hex");
    const claims = {
      v: 1,
      kid,
      tenant: encodeId("tenant", tenantId),
      object,
      version,
      method: "GET",
      max: manifest.sizeBytes,
      ...state,
    } as const;
    return { token: signLink(claims, key), expiresAt };
  });
}

/**
 * The file that a link is for, or undefined for every reason not to give it: no link of ours, changed, ended, revoked, for
 * something else, or the file is gone. Throws StorageError where the key can't be had now.
 */
export async function openDownloadLink({ database, keys }: LinkServices, token: string): Promise<FileManifest | undefined> {
  const link = readLink(token);
  const target = link && targetOf(link.claims, "file");
  if (link === undefined || target === undefined || link.claims.method !== "GET") return undefined;
  const { claims } = link;
  const { tenantId, objectId } = target;
  const manifest = await database.asTenant(tenantId, async (transaction) => {
    if (!(await isLive(transaction, target, claims))) return undefined;
    const [found] = await readManifests(transaction, tenantId, [objectId]);
    return found;
  });
  if (manifest === undefined || manifest.origin === "intermediate") return undefined;
  const { key } = await keys.purposeKey(tenantId, "presign", claims.kid);
  if (!link.isBy(key)) return undefined;
  return manifest.sha256.toString("hex") === claims.version && manifest.sizeBytes === claims.max ? manifest : undefined;
}

/** Ends all download links to a file, quarantined ones too. Throws Problem `not_found` where the tenant has no such file. */
export async function revokeDownloadLinks(database: Database, { tenantId, fileId, actor }: OwnFile): Promise<void> {
  await database.asTenant(tenantId, async (transaction) => {
    const [manifest] = await readManifests(transaction, tenantId, [fileId], ["stored", "quarantined"]);
    if (manifest === undefined || manifest.origin === "intermediate") throw notFound("file", encodeId("file", fileId));
    await revokeLinks(transaction, { tenantId, objectId: fileId, actor }, "file");
  });
}
