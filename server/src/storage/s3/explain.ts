import { S3ServiceException } from "@aws-sdk/client-s3";
import { StorageError } from "../../errors.ts";
import type { Explained } from "../remote/guard.ts";

/** Passing although their status is 4xx. */
const PASSING = new Set([
  "RequestTimeout",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequestsException",
  "BadDigest", // Content-MD5 did not match: changed on the way.
  "IncompleteBody",
  "ConditionalRequestConflict", // Another conditional write of the key is under way.
  "OperationAborted",
]);
const FULL = new Set(["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"]);
const ARCHIVED = new Set(["InvalidObjectState"]);
const DENIED = new Set([401, 403]);

/** What an error of the client library means; `name` is the store's. */
export function explainS3(name: string, error: unknown, what: string): Explained {
  const said = `${name}: ${what}`;
  const final = (code: StorageError["code"], message: string) => ({
    passing: false,
    error: new StorageError(code, `${said}: ${message}`, { cause: error }),
  });
  if (error instanceof StorageError) return { passing: false, error };
  if (!(error instanceof S3ServiceException)) return passing(said, error);
  const status = error.$metadata.httpStatusCode ?? 0;
  const code = error.name;
  if (FULL.has(code) || status === 507) return final("disk_full", "the store has no space left, or its quota is used up");
  if (ARCHIVED.has(code)) return final("archived", "the object is in the archive and must be brought back first");
  if (code === "NoSuchBucket") return final("unavailable", "there is no such bucket; make it, or mend FILEMILL_STORAGE_URL");
  if (code === "PreconditionFailed" || status === 412) return final("exists", "the key is taken");
  if (status >= 500 || status === 429 || status === 408 || status < 300 || PASSING.has(code)) return passing(said, error);
  if (DENIED.has(status)) return final("unavailable", `the store refuses our credentials (${code}); mend them, or the bucket's policy`);
  if (status === 404) return final("not_found", "there is no such object");
  return final("unavailable", `the store refuses the request: ${code} ${error.message}`);
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** Nobody answered, or not in a way that makes sense: a broken connection, a body that is no XML, an error inside a 200. */
function passing(said: string, error: unknown): Explained {
  const message = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  return { passing: true, error: new StorageError("unavailable", `${said}: ${message}`, { cause: error }) };
}
