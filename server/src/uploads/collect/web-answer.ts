import contentDisposition from "content-disposition";
import { SourceError } from "../../jobs/sources/source.ts";
import { FetchError } from "../../net/fetch-error.ts";
import type { Fetched } from "../../net/dialer.ts";
import { nameOfUrl, objectName } from "./object-name.ts";

/** Why an answer does not hold what was asked for; undefined: it does. */
export function refusalOf({ status, headers }: Pick<Fetched, "status" | "headers">): SourceError | undefined {
  if (status === 200 && (headers["content-encoding"] ?? "identity") === "identity") return undefined;
  if (status === 200) {
    const message = `The server sends it in the encoding ${headers["content-encoding"]}, although it was asked not to.`;
    return new SourceError("source_refused", "bad_input", message);
  }
  if (status === 404 || status === 410)
    return new SourceError("source_missing", "bad_input", `The server answered ${status}: it is not there.`);
  if (status === 401 || status === 403)
    return new SourceError("source_denied", "bad_input", `The server answered ${status}: it is not for everybody.`);
  if (status >= 500 || [408, 425, 429].includes(status)) {
    return new SourceError("source_unavailable", "external", `The server answered ${status}.`);
  }
  return new SourceError("source_denied", "bad_input", `The server answered ${status} where 200 was expected.`);
}

const FROM_FETCH = {
  refused: ["source_refused", "bad_input"],
  bad_redirect: ["source_refused", "bad_input"],
  too_large: ["limit_exceeded", "bad_input"],
  unresolvable: ["source_unavailable", "external"],
  unreachable: ["source_unavailable", "external"],
  timeout: ["timeout", "timeout"],
} as const;

/** What an error of the dialer means for an item; others stay what they are. */
export function toSourceError(error: unknown): unknown {
  if (!(error instanceof FetchError)) return error;
  const [code, failureClass] = FROM_FETCH[error.code];
  return new SourceError(code, failureClass, error.message, { cause: error });
}

/** As the server calls it (RFC 6266), or the URL that it was found at. */
export function nameOf({ url, headers }: Pick<Fetched, "url" | "headers">): string {
  const disposition = headers["content-disposition"];
  if (disposition !== undefined) {
    try {
      const { filename } = contentDisposition.parse(disposition).parameters;
      if (typeof filename === "string" && filename !== "") return objectName(filename);
    } catch {
      // As if it had not come.
    }
  }
  return nameOfUrl(url);
}
