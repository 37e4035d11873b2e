import { Metadata } from "@filemill/contract/files.ts";
import { Problem } from "../errors.ts";

export const METADATA_PREFIX = "metadata.";

/** The `metadata.<key>=<value>` of a query string. Throws Problem `validation_failed` where one is given twice or is too long. */
export function metadataOf(query: Readonly<Record<string, unknown>>): Metadata {
  const entries = Object.entries(query).filter(([name]) => name.startsWith(METADATA_PREFIX));
  const parsed = Metadata.safeParse(Object.fromEntries(entries.map(([name, value]) => [name.slice(METADATA_PREFIX.length), value])));
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ pointer: `/querystring/${METADATA_PREFIX}${path.join(".")}`, message }));
  throw new Problem("validation_failed", "The metadata in the query is not valid; see issues.", { issues });
}
