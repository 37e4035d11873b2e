import { z } from "zod";

const NOT_STORABLE = "must not hold NUL or half of a surrogate pair";

/** PostgreSQL's text and jsonb take neither U+0000 nor lone surrogates, which JSON can write as `\u0000` and `\ud800`. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

export const StorableText = z.string().refine(isStorable, NOT_STORABLE);

/** A JSON object of anything, whose texts and keys can be stored at every depth. */
export const StorableObject = z.record(z.string(), z.unknown()).superRefine(refuseUnstorable);

/** For `superRefine`: one issue for each text or key in a JSON value that can't be stored, at its path. */
export function refuseUnstorable(value: unknown, context: z.core.$RefinementCtx): void {
  for (const { path, message } of unstorableIn(value)) context.addIssue({ code: "custom", path: [...path], message });
}

/** Texts and keys in a JSON value that can't be stored. Walks with a list of its own, because a deep value would end the call stack. */
export function unstorableIn(value: unknown): { path: readonly PropertyKey[]; message: string }[] {
  const found: { path: readonly PropertyKey[]; message: string }[] = [];
  const open: { value: unknown; path: readonly PropertyKey[] }[] = [{ value, path: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value === "string" && !isStorable(next.value)) found.push({ path: next.path, message: NOT_STORABLE });
    if (typeof next.value !== "object" || next.value === null) continue;
    for (const [key, entry] of Object.entries(next.value)) {
      const path = [...next.path, key];
      if (!isStorable(key)) found.push({ path, message: `the name ${NOT_STORABLE}` });
      open.push({ value: entry, path });
    }
  }
  return found;
}
