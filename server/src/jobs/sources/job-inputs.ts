import { decodeId } from "@filemill/contract/ids.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { notFound, Problem } from "../../errors.ts";

interface Given {
  readonly inputs?: readonly string[] | undefined;
  readonly source?: JobSource | undefined;
  /** Jobs whose outputs are the inputs. */
  readonly inputs_from?: unknown;
}

/**
 * What a request names as a job's inputs: files, or one source of a way that is said in full. Throws Problem
 * validation_failed. Whether the place is there, and may be used, is found out where it is listed: by a worker.
 */
export function jobInputs({ inputs, source, inputs_from }: Given): { inputs: readonly string[]; source: JobSource | undefined } {
  if (inputs_from !== undefined) {
    if (inputs !== undefined || source !== undefined) throw refused("/inputs_from", "give one of `inputs`, `source` and `inputs_from`");
    return { inputs: [], source };
  }
  if (inputs !== undefined && source !== undefined) throw refused("/source", "give `inputs` or `source`, not both");
  if (source === undefined) {
    if (inputs === undefined) throw refused("/inputs", "name the files, or a `source` to collect them from");
    return { inputs, source };
  }
  if (source.kind === "urls" && (source.urls === undefined) === (source.file === undefined)) {
    throw refused("/source", "give the URLs in `urls`, or the id of a stored file with one a line in `file`");
  }
  if (source.kind === "s3" && (source.from === undefined) === (source.bucket === undefined)) {
    throw refused("/source", "give `from`, the name of a configured source, or the `bucket` of a public one");
  }
  if (source.kind === "azure" && (source.from === undefined) === (source.container === undefined)) {
    throw refused("/source", "give `from`, the name of a configured source, or the URL of a public `container`");
  }
  if (source.kind === "s3" && source.from !== undefined && (source.endpoint ?? source.region) !== undefined) {
    throw refused("/source/from", "a configured source has its endpoint and region already");
  }
  return { inputs: [], source };
}

/** The stored list must be there, as any input must. Inside a transaction of the tenant. Throws Problem not_found. */
export async function requireListFile(transaction: Transaction, source: JobSource): Promise<void> {
  if (source.kind !== "urls" || source.file === undefined) return;
  const [file] = await transaction.query(sql`
    SELECT FROM files WHERE id = ${decodeId("file", source.file) ?? null}::uuid AND status = 'stored' AND origin <> 'intermediate' FOR SHARE`);
  if (!file) throw notFound("file", source.file);
}

function refused(pointer: string, message: string): Problem {
  return new Problem("validation_failed", `The job's inputs: ${message}.`, { issues: [{ pointer, message }] });
}
