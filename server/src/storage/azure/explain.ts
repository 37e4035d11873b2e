import { isRestError } from "@azure/storage-blob";
import { StorageError } from "../../errors.ts";
import type { Explained } from "../remote/guard.ts";

const TAKEN = new Set(["BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite", "PendingCopyOperation"]);
const ARCHIVED = new Set(["BlobArchived", "BlobBeingRehydrated", "BlobNotAccessibleArchive"]);
/** Passing although their status is 4xx. */
const PASSING = new Set(["Md5Mismatch", "OperationTimedOut", "ServerBusy"]);
const DENIED = new Set([401, 403]);

/** What an error of the client library means; `name` is the store's. */
export function explainAzure(name: string, error: unknown, what: string): Explained {
  const said = `${name}: ${what}`;
  const final = (code: StorageError["code"], message: string) => ({
    passing: false,
    error: new StorageError(code, `${said}: ${message}`, { cause: error }),
  });
  if (error instanceof StorageError) return { passing: false, error };
  const status = statusOf(error);
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (status === undefined || status >= 500 || status === 429 || status === 408 || status < 300 || PASSING.has(code)) {
    return { passing: true, error: new StorageError("unavailable", `${said}: ${code} ${message}`, { cause: error }) };
  }
  if (ARCHIVED.has(code)) return final("archived", "the object is in the archive and must be brought back first");
  if (code === "ContainerNotFound") return final("unavailable", "there is no such container; make it, or mend FILEMILL_STORAGE_URL");
  if (status === 412 || TAKEN.has(code)) return final("exists", "the key is taken");
  if (DENIED.has(status)) return final("unavailable", `the store refuses our credentials (${code}); mend them, or the account's rules`);
  if (status === 404) return final("not_found", "there is no such object");
  return final("unavailable", `the store refuses the request: ${code} ${message}`);
}

export function statusOf(error: unknown): number | undefined {
  return isRestError(error) ? error.statusCode : undefined;
}

/** The library has it in different places; an answer to HEAD has no body, and tells it in a header. */
function codeOf(error: unknown): string {
  if (!isRestError(error)) return error instanceof Error ? error.name : "";
  const { details } = error;
  const told = typeof details === "object" && details !== null && "errorCode" in details ? details.errorCode : undefined;
  return String(told ?? error.response?.headers.get("x-ms-error-code") ?? error.code ?? "");
}
