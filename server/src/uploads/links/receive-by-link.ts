import type { Readable } from "node:stream";
import { encodeId } from "@filemill/contract/ids.ts";
import { Problem } from "../../errors.ts";
import type { Answer } from "../../jobs/idempotency.ts";
import type { SubmittedJob } from "../../jobs/submission.ts";
import { acceptsMediaType } from "../../processors/processor.ts";
import type { StoredFile } from "../../record/files.ts";
import { hasEpoch } from "../../tenants/link-state.ts";
import { commitUpload, discardFiles, type CommittedUpload, type UploadServices } from "../commit.ts";
import { fileName } from "../file-name.ts";
import { receiveFile, type Reception } from "../receive.ts";
import type { OpenUploadLink } from "./open-upload-link.ts";
import { useUploadLink } from "./upload-link.ts";

export interface LinkUpload<Body> extends Pick<Reception, "expectedBytes" | "digests" | "release" | "reservation" | "allowedTypes"> {
  readonly link: OpenUploadLink;
  /** Of the file, where the link gives it none. */
  readonly name: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly answer: (file: StoredFile, job: SubmittedJob | undefined) => Answer<Body>;
}

const DEFAULT_NAME = "upload";

/**
 * Takes the one file of an upload link. The link is used by the transaction that records the file, so that of any number
 * at a time one is recorded; of the others nothing is left.
 *
 * Throws as receiveFile and commitUpload do; Problem `type_not_allowed`; `conflict` where the link is used or was revoked
 * meanwhile.
 */
export async function receiveByLink<Body>(
  services: UploadServices,
  content: Readable,
  upload: LinkUpload<Body>,
): Promise<CommittedUpload<Body> & { readonly file: StoredFile }> {
  const { row, claims } = upload.link;
  const { id, tenantId, metadata } = row;
  const name = row.name ?? fileName(upload.name ?? DEFAULT_NAME);
  const { link: _link, name: _name, idempotencyKey, answer, ...reception } = upload;
  const file = await receiveFile(content, { ...reception, contents: services.contents, tenantId, name, metadata, maxBytes: claims.max });
  if (row.mediaTypes.length > 0 && !acceptsMediaType(row.mediaTypes, file.mediaType)) {
    await discardFiles(services.contents, [file]);
    throw new Problem("type_not_allowed", `This link takes ${row.mediaTypes.join(", ")}; the file is ${file.mediaType}.`);
  }
  const committed = await commitUpload<Body>(services, {
    files: [file],
    metadata,
    tenantId,
    actor: encodeId("link", id),
    ...(upload.reservation && { reservation: upload.reservation }),
    ...(row.pipeline !== null && { pipeline: row.pipeline }),
    // Keys are the tenant's; whoever has a link must not meet those of others.
    idempotencyKey: idempotencyKey === undefined ? undefined : `${encodeId("link", id)}:${idempotencyKey}`,
    also: async (transaction, job) => {
      const used = await useUploadLink(transaction, { id, tenantId, fileId: file.id, jobId: job?.jobId });
      if (!used) throw linkUsed();
      const revoked = !(await hasEpoch(transaction, { tenantId, objectId: id }, claims.epoch));
      if (revoked) throw new Problem("conflict", "This link was revoked while the file came; nothing is stored.");
    },
    answer: (job) => answer(file, job),
  });
  return { ...committed, file };
}

export function linkUsed(): Problem {
  return new Problem("conflict", "This link takes one file and has taken it. Ask for another link.");
}
