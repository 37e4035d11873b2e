import type { Issue } from "@filemill/contract/errors.ts";
import { z } from "zod";
import { Problem } from "../errors.ts";

interface Entry {
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params?: unknown;
}

const UnknownKeys = z.object({ keys: z.array(z.string()) });

/** What the schema of a route refused. Pointers are RFC 6901: the whole body is "". Unknown members are named one by one. */
export function invalidRequest(validation: readonly Entry[], context: string | undefined): Problem {
  const where = context === undefined || context === "body" ? "" : `/${context}`;
  const issues = validation.flatMap((entry) => issuesOf(entry, where));
  return new Problem("validation_failed", "The request is not valid; see issues.", { issues });
}

function issuesOf({ instancePath, message = "is not valid", params }: Entry, where: string): Issue[] {
  const pointer = where + (instancePath === "/" ? "" : instancePath);
  const unknown = UnknownKeys.safeParse(params);
  if (!unknown.success) return [{ pointer, message }];
  return unknown.data.keys.map((key) => ({ pointer: `${pointer}/${escapePart(key)}`, message: `"${key}" is not known here` }));
}

/** RFC 6901 §3. */
function escapePart(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}
