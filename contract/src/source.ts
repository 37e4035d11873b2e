import { z } from "zod";
import { MediaTypePattern } from "./pipeline.ts";
import { StorableText } from "./text.ts";
import { Duration, Size } from "./units.ts";

/** Name of a source that the operator has configured, with its place and its credentials. */
export const SourceName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "must be 1–32 of a–z, 0–9 and -, starting with a letter");

export const MAX_INLINE_URLS = 10_000;
export const MAX_URL_LENGTH = 4_096;

export const SourceLimits = z.strictObject({
  max_objects: z.int().min(1).max(100_000_000).optional().describe("a source with more fails; 1,000,000 unless told"),
  max_size: Size.optional().describe("of one object; at most what the platform takes"),
  max_total: Size.optional().describe("of all objects together; objects beyond it fail"),
  timeout: Duration.optional().describe("for fetching one object; 10m unless told"),
  accept: z.array(MediaTypePattern).min(1).max(50).optional().describe("media types, told from the content"),
});

const Prefix = StorableText.max(1_024).optional().describe("only keys that begin so");
const Match = StorableText.max(200)
  .optional()
  .describe("only names that match, such as **/*.csv, relative to the prefix or folder; * ? and ** mean something");

const settings = {
  on_error: z.enum(["fail", "skip"]).optional().describe("skip: reduces run on what could be collected"),
  recollect: z.boolean().optional().describe("fetch again what this tenant has collected unchanged"),
  lane: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .optional()
    .describe("of the workers that list and fetch"),
  limits: SourceLimits.optional(),
};

const Urls = z.strictObject({
  kind: z.literal("urls"),
  urls: z.array(StorableText.min(1).max(MAX_URL_LENGTH)).min(1).max(MAX_INLINE_URLS).optional(),
  file: z.string().optional().describe("id of a stored file with one URL a line; empty lines and lines that begin with # are passed over"),
  ...settings,
});

const S3 = z.strictObject({
  kind: z.literal("s3"),
  from: SourceName.optional().describe("a source that the operator has configured; left out, a public bucket"),
  bucket: z.string().min(1).max(255).optional(),
  endpoint: StorableText.max(MAX_URL_LENGTH).optional().describe("of a store that is not Amazon's"),
  region: z.string().max(64).optional(),
  prefix: Prefix,
  match: Match,
  ...settings,
});

const Azure = z.strictObject({
  kind: z.literal("azure"),
  from: SourceName.optional().describe("a source that the operator has configured; left out, a public container"),
  container: StorableText.max(MAX_URL_LENGTH).optional().describe("URL of a public container"),
  prefix: Prefix,
  match: Match,
  ...settings,
});

export const FolderWatch = z.strictObject({
  for: Duration.optional().describe("how long new files are taken; 1d unless told"),
  idle: Duration.optional().describe("ends earlier, when nothing new has come for so long"),
});

const Folder = z.strictObject({
  kind: z.literal("folder"),
  path: StorableText.min(1).max(4_096).describe("a folder on the worker's machine, at or below one that the operator allows"),
  match: Match,
  watch: FolderWatch.optional().describe("go on taking new files; left out, those that are there"),
  settle: Duration.optional().describe("a file is taken when it has not changed for so long; 2s unless told"),
  ...settings,
});

/** More than that is no job but a mistake; the ordinals of items are 32 bits. */
export const MAX_GENERATED = 10_000_000;

const Generate = z.strictObject({
  kind: z.literal("generate"),
  count: z
    .int()
    .min(1)
    .max(MAX_GENERATED)
    .describe('items; the input of item n, from 0, is the JSON document {"ordinal":n,"count":count}, which no file is stored for'),
});

/** Where the inputs of a job come from, when they are not files that are here already. */
export const JobSource = z.discriminatedUnion("kind", [Urls, S3, Azure, Folder, Generate]);

/** How far a job's source has come. */
export const SourceProgress = z.object({
  kind: z.enum(["urls", "s3", "azure", "folder", "generate"]),
  status: z.enum(["open", "ended"]).describe("ended: nothing new comes any more"),
  listed: z.int().describe("objects found, or inputs generated, so far; each is an item"),
  collected: z.int().describe("fetched and stored"),
  unchanged: z.int().describe("found unchanged since an earlier job, and not fetched again"),
  collected_bytes: z.int(),
});

export type JobSource = z.infer<typeof JobSource>;
export type GenerateSource = z.infer<typeof Generate>;
/** A source that is listed and fetched from. */
export type CollectedSource = Exclude<JobSource, GenerateSource>;
export type SourceKind = CollectedSource["kind"];
export type UrlsSource = z.infer<typeof Urls>;
export type S3Source = z.infer<typeof S3>;
export type AzureSource = z.infer<typeof Azure>;
export type FolderSource = z.infer<typeof Folder>;
export type SourceLimits = z.infer<typeof SourceLimits>;
export type SourceProgress = z.infer<typeof SourceProgress>;
