import type { Issue } from "@filemill/contract/errors.ts";
import { unstorableIn } from "@filemill/contract/text.ts";
import { pointerTo } from "./pointer.ts";

export const MAX_DOCUMENT_BYTES = 256 * 1024;
export const MAX_STEPS = 100;
const MAX_DEPTH = 32;
/** Keys that mean something to JavaScript objects themselves. */
const RESERVED_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * What makes a JSON value unfit to be looked at any closer: too deep, too large, with texts that can't be stored, or with
 * keys that could reach into the prototype of an object. Walks with a list of its own, because a deep value would end the call stack.
 */
export function checkDocumentLimits(document: unknown): Issue[] {
  const issues: Issue[] = [];
  const open: { value: unknown; path: readonly PropertyKey[] }[] = [{ value: document, path: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, path } = next;
    if (typeof value !== "object" || value === null) continue;
    if (path.length >= MAX_DEPTH) return [{ pointer: pointerTo(path), message: `must not be nested deeper than ${MAX_DEPTH} levels` }];
    for (const [key, entry] of Object.entries(value)) {
      const at = [...path, key];
      if (RESERVED_KEYS.has(key))
        issues.push({ pointer: pointerTo(at), message: `"${key}" can't be used as a name`, suggestion: "Choose another name." });
      open.push({ value: entry, path: at });
    }
  }
  issues.push(...unstorableIn(document).map(({ path, message }) => ({ pointer: pointerTo(path), message })));
  const size = Buffer.byteLength(JSON.stringify(document) ?? "");
  if (size > MAX_DOCUMENT_BYTES)
    issues.push({ pointer: "", message: `must not exceed ${MAX_DOCUMENT_BYTES / 1024} KiB as JSON; it has ${size} bytes` });
  return issues;
}
