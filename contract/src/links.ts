import { z } from "zod";
import { Metadata } from "./files.ts";
import { MediaTypePattern } from "./pipeline.ts";
import { StorableObject, StorableText } from "./text.ts";
import { Duration, Size } from "./units.ts";

const ExpiresIn = Duration.optional().describe("how long the link is good for, at most 7d; 15m unless told");

/** Body of POST /files/{id}/link. */
export const LinkRequest = z.strictObject({ expires_in: ExpiresIn });

export const LinkResource = z.object({
  url: z.string().describe("whoever has it needs no key; treat it as a password"),
  method: z.enum(["GET", "PUT"]),
  expires_at: z.string(),
});

/** Body of POST /links/uploads. */
export const UploadLinkRequest = z.strictObject({
  expires_in: ExpiresIn,
  max_size: Size.optional().describe("of the file; the limit of the installation unless told"),
  name: StorableText.optional().describe("of the file; whoever sends it says ?name= otherwise"),
  media_types: z.array(MediaTypePattern).min(1).max(50).optional().describe("told from the content"),
  pipeline: z
    .union([StorableText, z.record(z.string(), z.unknown())], { error: "must be a name or a document" })
    .optional()
    .describe("run over the file"),
  params: StorableObject.optional(),
  metadata: Metadata.optional(),
});

export const UploadLinkResource = z.object({
  id: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  max_size: z.int().describe("bytes"),
  name: z.string().nullable(),
  media_types: z.array(z.string()),
  used_at: z.string().nullable(),
  file_id: z.string().nullable(),
  job_id: z.string().nullable(),
});

export const NewUploadLink = LinkResource.extend({ id: z.string(), max_size: z.int().describe("bytes") });

export type LinkRequest = z.infer<typeof LinkRequest>;
export type LinkResource = z.infer<typeof LinkResource>;
export type UploadLinkRequest = z.infer<typeof UploadLinkRequest>;
export type UploadLinkResource = z.infer<typeof UploadLinkResource>;
export type NewUploadLink = z.infer<typeof NewUploadLink>;
