import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { resolve } from "node:path";
import type { Command } from "commander";
import { MAX_GENERATED, MAX_INLINE_URLS, type JobSource } from "@filemill/contract/source.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { CliError, EXIT } from "../exit.ts";

/** Where the server is to take a job's inputs from; at most one of the four places, or generated ones. */
export interface SourceOptions {
  readonly fromUrls?: string;
  readonly fromS3?: string;
  readonly fromAzure?: string;
  readonly fromFolder?: string;
  readonly generate?: string;
  readonly match?: string;
  readonly watchFor?: string;
  readonly recollect?: boolean;
  readonly skipFailed?: boolean;
  readonly endpoint?: string;
  readonly region?: string;
}

export function withSourceOptions(command: Command): Command {
  return command
    .option("--from-urls <file>", "a file with one URL a line, - for stdin")
    .option("--from-s3 <place>", "name/prefix of a source that the operator has configured, or s3://bucket/prefix of a public one")
    .option("--from-azure <place>", "name/prefix of a configured source, or the URL of a public container, with a prefix")
    .option("--from-folder <path>", "a folder on the server's machine that the operator allows")
    .option("--generate <count>", "no files: so many inputs, each a JSON document with its ordinal and the count")
    .option("--match <pattern>", "only names that match, such as '**/*.csv'")
    .option("--watch-for <duration>", "of a folder: go on taking new files for so long, such as 8h")
    .option("--recollect", "fetch again what was collected before and has not changed")
    .option("--skip-failed", "reduces run on what could be collected")
    .option("--endpoint <url>", "of a public bucket that is not Amazon's")
    .option("--region <name>", "of a public bucket");
}

/** Undefined where none was named. A list that is too long for a request becomes a stored file. Throws CliError (usage). */
export async function sourceOf(
  options: SourceOptions,
  { client, signal }: { client: Client; signal: AbortSignal },
): Promise<JobSource | undefined> {
  const { fromUrls, fromS3, fromAzure, fromFolder, generate } = options;
  const places = [fromUrls, fromS3, fromAzure, fromFolder, generate].filter((place) => place !== undefined);
  if (places.length === 0) return undefined;
  if (places.length > 1) throw new CliError("Name one place to collect from, or --generate, not several.", EXIT.usage);
  if (generate !== undefined) return { kind: "generate", count: generatedCount(generate) };
  const common = {
    ...(options.recollect === true && { recollect: true }),
    ...(options.skipFailed === true && { on_error: "skip" as const }),
  };
  const match = options.match === undefined ? {} : { match: options.match };
  if (fromUrls !== undefined) return { kind: "urls", ...common, ...(await urlsOf(fromUrls, { client, signal })) };
  if (fromS3 !== undefined) return { kind: "s3", ...common, ...match, ...s3Place(fromS3, options) };
  if (fromAzure !== undefined) return { kind: "azure", ...common, ...match, ...azurePlace(fromAzure) };
  const watch = options.watchFor === undefined ? {} : { watch: { for: options.watchFor } };
  return { kind: "folder", ...common, ...match, ...watch, path: resolve(fromFolder ?? "") };
}

export function generatedCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_GENERATED) return count;
  throw new CliError(`--generate takes a whole number from 1 to ${MAX_GENERATED}, not "${text}".`, EXIT.usage);
}

/** More bytes of URLs than this don't go into the request. */
const MAX_INLINE_BYTES = 256 * 1_024;

async function urlsOf(path: string, { client, signal }: { client: Client; signal: AbortSignal }) {
  const list = path === "-" ? await buffer(process.stdin) : await readFile(path);
  const urls = list
    .toString()
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  if (urls.length === 0) throw new CliError(`There is no URL in ${path === "-" ? "what stdin gave" : path}.`, EXIT.usage);
  if (urls.length <= MAX_INLINE_URLS && list.length <= MAX_INLINE_BYTES) return { urls };
  const stored = await client.files.put({ name: "urls.txt", content: new Blob([new Uint8Array(list)]) }, { signal });
  return { file: stored.id };
}

export function s3Place(text: string, { endpoint, region }: Pick<SourceOptions, "endpoint" | "region">) {
  const [, bucket, below = ""] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(text) ?? [];
  if (bucket === undefined) return namedPlace(text);
  return { bucket, ...prefix(below), ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) };
}

export function azurePlace(text: string) {
  const [, container, below = ""] = /^(https?:\/\/[^/]+\/[^/]+)\/?(.*)$/s.exec(text) ?? [];
  return container === undefined ? namedPlace(text) : { container, ...prefix(below) };
}

function namedPlace(text: string) {
  const slash = text.indexOf("/");
  return slash < 0 ? { from: text } : { from: text.slice(0, slash), ...prefix(text.slice(slash + 1)) };
}

function prefix(text: string): { prefix?: string } {
  return text === "" ? {} : { prefix: text };
}
