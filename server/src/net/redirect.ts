import { FetchError } from "./fetch-error.ts";

export interface Hop {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** 300 and 304 carry no order to go elsewhere. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Meant for the first host alone. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"]);

/**
 * Where an answer leads, or undefined where it is the answer. The new URL is as suspect as the first: whoever follows
 * has it judged again. Throws FetchError `bad_redirect`.
 */
export function nextHop(hop: Hop, answer: { status: number; location: string | readonly string[] | undefined }): Hop | undefined {
  if (!REDIRECTS.has(answer.status) || answer.location === undefined) return undefined;
  const location = String(answer.location);
  if (typeof answer.location !== "string" || !URL.canParse(location, hop.url.href)) {
    throw new FetchError("bad_redirect", `${hop.url.host} leads to what is not a URL.`);
  }
  const url = new URL(location, hop.url);
  if (hop.url.protocol === "https:" && url.protocol === "http:") {
    throw new FetchError("bad_redirect", `${hop.url.host} leads from https to http, where anybody between could change the content.`);
  }
  if (url.origin === hop.url.origin) return { url, headers: hop.headers };
  const kept = Object.entries(hop.headers).filter(([name]) => !CREDENTIALS.has(name.toLowerCase()));
  return { url, headers: Object.fromEntries(kept) };
}
