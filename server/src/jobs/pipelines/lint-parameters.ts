import type { Issue } from "@filemill/contract/errors.ts";
import { didYouMean } from "./nearest.ts";
import type { Outline, StepOutline } from "./outline.ts";
import { readParamsSchema, type ParamsSchema } from "./params-schema.ts";
import { pointerTo } from "./pointer.ts";
import { referencesIn, substitute, type Reference } from "./template.ts";
import { issuesOfZod } from "./zod-issues.ts";

/** The schema of the pipeline's parameters, every `${…}`, and each step's `with` against its processor. */
export function lintParameters(outline: Outline): Issue[] {
  const schema = readParamsSchema(outline.params);
  return [...schema.issues, ...[...outline.steps.values()].flatMap((step) => [...lintReferences(step, schema), ...lintWith(step, schema)])];
}

function lintReferences(step: StepOutline, schema: ParamsSchema): Issue[] {
  const at = pointerTo(["steps", step.name, "with"]);
  return referencesIn(step.with).flatMap(({ text, parameter, pointer }) => {
    if (parameter === undefined) {
      return [{ pointer: at + pointer, message: `"\${${text}}" is not a parameter`, suggestion: "Write for example ${params.width}." }];
    }
    if (schema.names.includes(parameter)) return [];
    const declare = { suggestion: `Declare it under /params/properties/${parameter}.` };
    const meant = didYouMean(parameter, schema.names);
    return [
      { pointer: at + pointer, message: `"${parameter}" is not declared in params`, ...(meant.suggestion === undefined ? declare : meant) },
    ];
  });
}

/**
 * What a parameter without a default will be is not known, and neither is what a schema would say of it: complaints at
 * its place, above it (a rule over several members) or below it are left to the job that sets it.
 */
function lintWith(step: StepOutline, schema: ParamsSchema): Issue[] {
  if (!step.processor) return [];
  const parsed = step.processor.params.safeParse(substitute(step.with, schema.defaults), { reportInput: true });
  if (parsed.success) return [];
  const path = ["steps", step.name, "with"];
  const at = pointerTo(path);
  const unknown = referencesIn(step.with).filter((reference) => !hasDefault(reference, schema));
  return issuesOfZod(parsed.error, { path, schema: step.processor.params }).filter(
    ({ pointer }) => !unknown.some((reference) => touches(pointer, at + reference.pointer)),
  );
}

function hasDefault({ parameter }: Reference, schema: ParamsSchema): boolean {
  return parameter !== undefined && Object.hasOwn(schema.defaults, parameter);
}

function touches(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}
