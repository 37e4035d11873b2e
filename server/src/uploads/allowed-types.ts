import { Problem } from "../errors.ts";

/** Media types that an installation takes in: `text/csv`, `image/*`. Undefined: every one. */
export type AllowedTypes = readonly string[] | undefined;

/**
 * Throws Problem `type_not_allowed` for a type that is not among them. The type is what the bytes are: neither a name nor
 * a header gets a program in where pictures are allowed.
 */
export function requireAllowedType(mediaType: string, allowed: AllowedTypes): void {
  if (allowed === undefined || allowed.some((pattern) => fits(mediaType, pattern))) return;
  throw new Problem("type_not_allowed", `Files of the type ${mediaType} are not taken here; what is: ${allowed.join(", ")}.`);
}

function fits(mediaType: string, pattern: string): boolean {
  return pattern.endsWith("/*") ? mediaType.startsWith(pattern.slice(0, -1)) : mediaType === pattern;
}
