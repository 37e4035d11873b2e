import type { z } from "zod";
import { Problem } from "../errors.ts";

/** A cursor over a list that is ordered by something else than (created_at, id); opaque to clients. */
export function encodePlace(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The parts that `encodePlace` was given. Throws Problem validation_failed on a text that is no cursor of this shape. */
export function decodePlace<T>(text: string, shape: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    value = undefined;
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Problem("validation_failed", "The cursor is not one of this list; start again without it.", {
    issues: [{ pointer: "/querystring/cursor", message: "is not a cursor of this list" }],
  });
}
