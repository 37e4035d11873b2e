import { encodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../../db/database.ts";
import { notFound } from "../../errors.ts";
import { resolvePipeline } from "../../jobs/pipelines/resolve.ts";
import { signLink } from "../../link-token.ts";
import { appendAudit } from "../../record/audit.ts";
import { newLinkState, revokeLinks, type LinkKeys } from "../../tenants/link-state.ts";
import type { UploadServices } from "../commit.ts";
import { findUploadLink, insertUploadLink, type UploadLink } from "./upload-link.ts";

export interface NewUploadLink extends Omit<UploadLink, "id"> {
  readonly actor: string;
  readonly expiresInMs: number;
}

export interface CreatedUploadLink {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: Date;
}

/** Throws as resolvePipeline does, so that a pipeline that can't run is known before anybody sends a file. */
export async function createUploadLink(
  services: Pick<UploadServices, "database" | "catalogue"> & { readonly keys: LinkKeys },
  link: NewUploadLink,
): Promise<CreatedUploadLink> {
  const { tenantId, actor, expiresInMs, maxBytes } = link;
  const id = uuidv7();
  const object = encodeId("link", id);
  // Before the transaction: it may ask a key store, and for a transaction of its own.
  const { version: kid, key } = await services.keys.purposeKey(tenantId, "presign");
  return services.database.asTenant(tenantId, async (transaction) => {
    if (link.pipeline !== null) await resolvePipeline(transaction, link.pipeline, services.catalogue);
    const state = await newLinkState(transaction, { tenantId, objectId: id, expiresInMs });
    const expiresAt = new Date(state.exp * 1_000);
    await insertUploadLink(transaction, { ...link, id, expiresAt });
    await appendAudit(transaction, {
      ...{ tenantId, actor, action: "link.create", object },
      detail: { method: "PUT", expires_at: expiresAt.toISOString(), max_size: maxBytes },
    });
    const claims = {
      v: 1,
      kid,
      tenant: encodeId("tenant", tenantId),
      object,
      version: "",
      method: "PUT",
      max: maxBytes,
      ...state,
    } as const;
    return { id, token: signLink(claims, key), expiresAt };
  });
}

/** Throws Problem `not_found` where the tenant has no such link. */
export async function revokeUploadLink(
  database: Database,
  { tenantId, id, actor }: { readonly tenantId: string; readonly id: string; readonly actor: string },
): Promise<void> {
  await database.asTenant(tenantId, async (transaction) => {
    if ((await findUploadLink(transaction, tenantId, id)) === undefined) throw notFound("upload link", encodeId("link", id));
    await revokeLinks(transaction, { tenantId, objectId: id, actor }, "link");
  });
}
