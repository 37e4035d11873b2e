import { FetchError } from "../../net/fetch-error.ts";
import { Problem, StorageError } from "../../errors.ts";
import { SourceError } from "../../jobs/sources/source.ts";

/** What an error of a store's SDK means for an item. Our own errors, and ends that somebody asked for, stay what they are. */
export function explainSdk(error: unknown): unknown {
  const refused = refusalIn(error);
  if (refused !== undefined) return new SourceError("source_refused", "bad_input", refused, { cause: error });
  if (!(error instanceof Error) || isOurs(error)) return error;
  const status = statusOf(error);
  const said = `The store answered ${status ?? error.name}`;
  if (status === 404) return new SourceError("source_missing", "bad_input", `${said}: it is not there.`, { cause: error });
  if (status === 401 || status === 403)
    return new SourceError("source_denied", "bad_input", `${said}: it may not be read.`, { cause: error });
  if (status !== undefined && status >= 400 && status < 500 && ![408, 409, 412, 425, 429].includes(status)) {
    return new SourceError("source_denied", "bad_input", `${said}.`, { cause: error });
  }
  return new SourceError("source_unavailable", "external", status === undefined ? "The store could not be reached." : `${said}.`, {
    cause: error,
  });
}

function isOurs(error: Error): boolean {
  return (
    error instanceof SourceError ||
    error instanceof StorageError ||
    error instanceof Problem ||
    error.name === "AbortError" ||
    error.name === "TimeoutError"
  );
}

function statusOf(error: Error): number | undefined {
  const metadata: unknown = Reflect.get(error, "$metadata");
  const amazon = typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, "httpStatusCode") : undefined;
  const status: unknown = amazon ?? Reflect.get(error, "statusCode");
  return typeof status === "number" ? status : undefined;
}

/** Why the dialer refused, if it did. Azure's SDK makes an error of its own of it, with the code and the message, and without the cause. */
function refusalIn(error: unknown): string | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < MAX_CAUSES; cause = cause.cause, depth++) {
    const isFrom = cause instanceof FetchError || cause.name === "RestError";
    const code: unknown = Reflect.get(cause, "code");
    if (isFrom && (code === "refused" || code === "bad_redirect")) return cause.message;
  }
  return undefined;
}

const MAX_CAUSES = 5;
