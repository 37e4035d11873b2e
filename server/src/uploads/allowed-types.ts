import { Problem } from "../errors.ts";
import { acceptsMediaType } from "../processors/processor.ts";

/** Media types that an installation takes in: `text/csv`, `image/*`. Undefined: every one. */
export type AllowedTypes = readonly string[] | undefined;

/**
 * Throws Problem `type_not_allowed` for a type that is not among them. The type is what the bytes are: neither a name nor
 * a header gets a program in where pictures are allowed.
 */
export function requireAllowedType(mediaType: string, allowed: AllowedTypes): void {
  if (isAllowed(mediaType, allowed)) return;
  throw new Problem("type_not_allowed", `Files of the type ${mediaType} are not taken here; what is: ${allowed?.join(", ")}.`);
}

export function isAllowed(mediaType: string, allowed: AllowedTypes): boolean {
  return allowed === undefined || acceptsMediaType(allowed, mediaType);
}
