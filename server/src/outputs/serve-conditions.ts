import type { IncomingHttpHeaders } from "node:http";

/** What says which version of a file this is. */
export interface Validators {
  /** Strong, in quotes. */
  readonly etag: string;
  /** A file never changes, so that this is when it came; HTTP knows it to the second. */
  readonly lastModified: Date;
}

/**
 * RFC 9110 §13.2.2, in its order: If-Match, else If-Unmodified-Since; If-None-Match, else If-Modified-Since. For GET and
 * HEAD. If-Range is asked apart, because it decides about a range only.
 */
export function evaluate(headers: IncomingHttpHeaders, validators: Validators): "go on" | "not modified" | "failed" {
  const { etag } = validators;
  const ifMatch = headers["if-match"];
  if (ifMatch !== undefined) {
    // §13.1.1: strong comparison, so that a `W/` never matches.
    if (ifMatch.trim() !== "*" && !tagsIn(ifMatch).includes(etag)) return "failed";
  } else if (isAfter(validators, headers["if-unmodified-since"]) === true) {
    return "failed";
  }
  const ifNoneMatch = headers["if-none-match"];
  if (ifNoneMatch !== undefined) {
    // §13.1.2: weak comparison, so that `W/` is not looked at.
    const known = ifNoneMatch.trim() === "*" || tagsIn(ifNoneMatch).some((tag) => tag.replace(/^W\//, "") === etag);
    return known ? "not modified" : "go on";
  }
  return isAfter(validators, headers["if-modified-since"]) === false ? "not modified" : "go on";
}

/**
 * §13.1.5: with an If-Range that is not this very strong tag or date, the Range is ignored. Our date is as strong as the
 * tag, because what has an id never changes.
 */
export function isRangeMeant(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): boolean {
  if (headers["if-range"] === undefined) return true;
  const condition = String(headers["if-range"]).trim();
  return condition === etag || httpDate(condition) === secondsOf(lastModified);
}

/** §8.8.3: commas may stand inside of a tag. */
function tagsIn(list: string): string[] {
  return list.match(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g) ?? [];
}

/** Whether the file is newer than the date in the header. §13.1.3: "A recipient MUST ignore … if the field value is not a valid HTTP-date". */
function isAfter({ lastModified }: Validators, header: string | undefined): boolean | undefined {
  const date = header === undefined ? undefined : httpDate(header.trim());
  return date === undefined ? undefined : secondsOf(lastModified) > date;
}

/** §5.6.7: one form to be written, two old ones to be read. Date.parse alone would take much that is no HTTP-date. */
const FORMS = [
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
  /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/,
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/,
];

/** Seconds since 1970, or undefined for what is no HTTP-date. */
function httpDate(text: string): number | undefined {
  if (!FORMS.some((form) => form.test(text))) return undefined;
  const ms = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1_000);
}
