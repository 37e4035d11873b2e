import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { StoredFile } from "../../record/files.ts";
import { MAX_INLINE_BYTES, type ContentManifest, type StoredContent } from "../../storage/stored-content.ts";
import { requireAllowedType } from "../allowed-types.ts";
import { detectMediaType, HEAD_BYTES } from "../media-type.ts";
import { hashInParts } from "./content-hash.ts";
import type { ResumableServices } from "./resumable.ts";
import type { UploadRow } from "./upload-row.ts";

/** What is known of the content without reading it. */
export interface Known {
  /** SHA-256 of all of it. */
  readonly hash: Buffer | undefined;
  /** Its first HEAD_BYTES. */
  readonly head: Buffer | undefined;
}

/** Of which upload it is made. */
export interface Source extends Pick<
  UploadRow,
  "fileId" | "tenantId" | "name" | "metadata" | "fileExpiresAt" | "hashState" | "hashedBytes"
> {
  /** No other content of this file was written under it but the upload's own. */
  readonly epoch: number;
}

/** The file as it will be recorded. `replaced`: its content is one row now, and the upload's objects are not needed. */
export async function makeFile(
  { contents, limits }: Pick<ResumableServices, "contents" | "limits">,
  upload: Source,
  { manifest, known }: { manifest: ContentManifest; known: Known },
): Promise<{ file: StoredFile; replaced: boolean }> {
  const { fileId: id, tenantId, name, metadata, fileExpiresAt, epoch } = upload;
  const { sizeBytes } = manifest;
  const all = sizeBytes <= MAX_INLINE_BYTES ? await contents.bytes(manifest) : undefined;
  const sha256 = known.hash ?? (all && createHash("sha256").update(all).digest()) ?? (await hashRest({ contents }, upload, manifest));
  const head =
    known.head ?? all ?? (await buffer(await contents.read(manifest, { range: { start: 0, end: Math.min(HEAD_BYTES, sizeBytes) - 1 } })));
  const mediaType = await detectMediaType({ head, complete: sizeBytes <= head.length, name });
  requireAllowedType(mediaType, limits.allowedTypes);
  // The upload's own segments become the file's by moving their rows, not through insertFiles.
  const content: StoredContent = all
    ? await contents.write(Readable.from(all.length === 0 ? [] : [all]), { tenantId, fileId: id, epoch })
    : { segments: [] };
  const expires = fileExpiresAt === null ? {} : { expiresAt: fileExpiresAt };
  const file = { id, tenantId, name, sizeBytes, sha256, mediaType, origin: "upload" as const, metadata, content, ...expires };
  return { file, replaced: all !== undefined };
}

/** Goes on where the upload's hash stopped; from the start with the faster one. */
async function hashRest(
  { contents }: Pick<ResumableServices, "contents">,
  { hashState, hashedBytes }: Source,
  manifest: ContentManifest,
): Promise<Buffer> {
  if (hashState === null) {
    const hash = createHash("sha256");
    await pipeline(await contents.read(manifest), hash);
    return hash.digest();
  }
  const hash = await hashInParts(hashState);
  if (hashedBytes < manifest.sizeBytes) {
    const rest = await contents.read(manifest, { range: { start: hashedBytes, end: manifest.sizeBytes - 1 } });
    for await (const chunk of rest) hash.update(chunk);
  }
  return hash.digest();
}
