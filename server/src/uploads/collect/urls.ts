import { decodeId } from "@filemill/contract/ids.ts";
import type { UrlsSource } from "@filemill/contract/source.ts";
import { MAX_PAGE, SourceError, type Source, type SourceInput, type SourceReference } from "../../jobs/sources/source.ts";
import { nameOfUrl } from "./object-name.ts";
import type { SourceContext } from "./source-context.ts";
import { storeObject, type FetchLimits, type OpenedObject } from "./store-object.ts";
import { readUrlList } from "./url-list.ts";
import { nameOf, refusalOf, toSourceError } from "./web-answer.ts";

/** A list of URLs, in the order or a stored file. One that can't be had ends its own item and no other. */
export function urlsSource(context: SourceContext<UrlsSource>): Source {
  const { spec } = context;
  return {
    pages(cursor, signal) {
      if (spec.file === undefined) return inlinePages(spec.urls ?? [], Number(cursor?.["next"] ?? 0));
      return filePages(context, { fileId: spec.file, start: Number(cursor?.["offset"] ?? 0), signal });
    },
    collect: (reference, options) => storeObject(context, { reference, options }, (limits) => openUrl(context, reference, limits)),
  };
}

async function* inlinePages(urls: readonly string[], start: number) {
  for (let next = start; next < urls.length; next += MAX_PAGE) {
    const page = urls.slice(next, next + MAX_PAGE);
    yield { inputs: page.map(inputOf), cursor: { next: next + page.length } };
  }
}

async function* filePages(
  { tenantId, openStored }: SourceContext<UrlsSource>,
  list: { fileId: string; start: number; signal: AbortSignal },
) {
  const fileId = decodeId("file", list.fileId);
  if (fileId === undefined) throw gone(list.fileId);
  const content = await openStored({ tenantId, fileId, start: list.start });
  let page: SourceInput[] = [];
  let offset = list.start;
  for await (const line of readUrlList(content, { start: list.start, signal: list.signal })) {
    page.push(inputOf(line.url));
    offset = line.end;
    if (page.length < MAX_PAGE) continue;
    yield { inputs: page, cursor: { offset } };
    page = [];
  }
  if (page.length > 0) yield { inputs: page, cursor: { offset } };
}

function gone(file: string): SourceError {
  return new SourceError("input_dead", "bad_input", `There is no file "${file}" to read URLs from.`);
}

function inputOf(text: string): SourceInput {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return { location: url?.href ?? text, name: url ? nameOfUrl(url) : "object" };
}

async function openUrl(
  { dialers, spec }: SourceContext<UrlsSource>,
  reference: SourceReference,
  { maxBytes, signal }: FetchLimits,
): Promise<OpenedObject | "unchanged"> {
  const known = spec.recollect === true ? undefined : reference.known;
  const answer = await dialers.open
    .fetch({ url: reference.location, maxBytes, signal, headers: known ? conditions(known) : {} })
    .catch((error: unknown) => {
      throw toSourceError(error);
    });
  if (answer.status === 304 && known !== undefined) {
    answer.body.on("error", () => {}).destroy();
    return "unchanged";
  }
  const refusal = refusalOf(answer);
  if (refusal !== undefined) {
    answer.body.on("error", () => {}).destroy();
    throw refusal;
  }
  const { etag, "last-modified": modified } = answer.headers;
  return { body: answer.body, explain: toSourceError, name: nameOf(answer), etag, modifiedAt: dateOf(modified) };
}

/** RFC 9110 §13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an If-None-Match header field". */
function conditions({ etag, modifiedAt }: NonNullable<SourceReference["known"]>): Record<string, string> {
  if (etag !== null) return { "if-none-match": etag };
  return modifiedAt === null ? {} : { "if-modified-since": modifiedAt.toUTCString() };
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? "");
  return Number.isNaN(date.getTime()) ? undefined : date;
}
