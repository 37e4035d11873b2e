import type { EntryResult } from "../../processors/stage-run.ts";

/**
 * The results of a batch as far as they fit into one message. An entry whose outputs have no room left fails, and is
 * tried again alone, where it has all the room.
 */
export function resultsThatFit(results: readonly EntryResult[], maxBytes: number): readonly EntryResult[] {
  const sizes = results.map((result) => Buffer.byteLength(JSON.stringify(result)) + 1);
  let left = maxBytes - MARGIN_BYTES * (results.length + 1);
  if (sizes.reduce((sum, size) => sum + size, 0) <= left) return results;
  return results.map((result, index) => {
    const size = sizes[index] ?? 0;
    const step = result.ok ? result.outputs[0]?.step : undefined;
    if (step === undefined || size <= left) {
      left -= size;
      return result;
    }
    const message = "Its batch emitted more files than one answer can name.";
    return { ok: false, failure: { class: "resource_exhausted", code: "resource_exhausted", message }, step };
  });
}

/** More than a failure takes. */
const MARGIN_BYTES = 2_048;
