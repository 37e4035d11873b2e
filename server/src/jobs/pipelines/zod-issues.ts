import { z } from "zod";
import type { Issue } from "@filemill/contract/errors.ts";
import { didYouMean } from "./nearest.ts";
import { pointerTo } from "./pointer.ts";

type ZodIssue = z.core.$ZodIssue;

/** What a zod schema refused, as issues with pointers below `path`; unknown keys get a "did you mean" from the schema. */
export function issuesOfZod(
  error: { readonly issues: readonly ZodIssue[] },
  at: { readonly path: readonly PropertyKey[]; readonly schema: z.ZodType },
): Issue[] {
  return error.issues.flatMap((issue) => translate(issue, at));
}

function translate(issue: ZodIssue, at: { readonly path: readonly PropertyKey[]; readonly schema: z.ZodType }): Issue[] {
  const path = [...at.path, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = keysAt(at.schema, issue.path);
      return issue.keys.map((key) => ({
        pointer: pointerTo([...path, key]),
        message: `"${key}" is not known here`,
        ...didYouMean(key, known),
      }));
    }
    case "invalid_key":
      return issue.issues.map((inner) => ({ pointer: pointerTo(path), message: `the name ${inner.message}` }));
    case "invalid_union":
      return translateUnion(issue, at, path);
    case "invalid_value": {
      const given = typeof issue.input === "string" ? issue.input : "";
      const values = issue.values.map(String);
      return [{ pointer: pointerTo(path), message: issue.message, ...didYouMean(given, values) }];
    }
    default:
      return [{ pointer: pointerTo(path), message: issue.message }];
  }
}

/** Of the branches of a union, the one that came nearest: its first complaint lies deepest; on a tie the fewest complaints. */
function translateUnion(
  issue: Extract<ZodIssue, { code: "invalid_union" }>,
  at: { readonly path: readonly PropertyKey[]; readonly schema: z.ZodType },
  path: readonly PropertyKey[],
): Issue[] {
  const branches = issue.errors.toSorted((left, right) => depthOf(right) - depthOf(left) || left.length - right.length);
  const best = branches[0] ?? [];
  if (depthOf(best) === 0) {
    const messages = new Set(issue.errors.flatMap((branch) => branch.slice(0, 1).map(({ message }) => message)));
    return [{ pointer: pointerTo(path), message: [...messages].join("; or ") || issue.message }];
  }
  return best.flatMap((inner) => translate({ ...inner, path: [...issue.path, ...inner.path] }, at));
}

function depthOf(issues: readonly ZodIssue[]): number {
  return issues[0]?.path.length ?? 0;
}

/** The keys that an object schema takes at a path, read from its JSON Schema so that wrappers (default, optional, refine) don't matter. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let node: unknown = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  for (const part of path)
    node =
      typeof part === "number" ? member(node, "items") : (member(member(node, "properties"), part) ?? member(node, "additionalProperties"));
  const branches = [node, ...listOf(member(node, "anyOf")), ...listOf(member(node, "oneOf"))];
  return branches.flatMap((branch) => Object.keys((member(branch, "properties") as object | undefined) ?? {}));
}

function member(node: unknown, key: PropertyKey): unknown {
  return typeof node === "object" && node !== null && Object.hasOwn(node, key) ? (node as Record<PropertyKey, unknown>)[key] : undefined;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
