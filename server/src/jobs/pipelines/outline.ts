import type { Catalogue } from "../../processors/catalogue.ts";
import type { Processor } from "../../processors/processor.ts";
import { isObject } from "./schema-keywords.ts";

/** A step as far as it can be read; what is malformed is left out, because the schema has complained about it already. */
export interface StepOutline {
  readonly name: string;
  readonly use: string | undefined;
  readonly processor: Processor | undefined;
  readonly needs: readonly string[];
  readonly with: Readonly<Record<string, unknown>>;
  readonly when: readonly string[] | undefined;
  readonly hasFanIn: boolean;
  readonly hasBatch: boolean;
  readonly asksForCache: boolean;
}

export interface Outline {
  readonly steps: ReadonlyMap<string, StepOutline>;
  readonly outputs: readonly unknown[];
  readonly params: unknown;
}

/** Reads what is usable of a document that may be wrong anywhere, so that one mistake does not hide the others. */
export function outlineOf(document: unknown, catalogue: Catalogue): Outline {
  const root = isObject(document) ? document : {};
  const steps = isObject(root["steps"]) ? root["steps"] : {};
  return {
    steps: new Map(Object.entries(steps).flatMap(([name, step]) => (isObject(step) ? [[name, stepOf(name, step, catalogue)]] : []))),
    outputs: Array.isArray(root["outputs"]) ? root["outputs"] : [],
    params: root["params"],
  };
}

function stepOf(name: string, step: Record<string, unknown>, catalogue: Catalogue): StepOutline {
  const use = typeof step["use"] === "string" ? step["use"] : undefined;
  const when = isObject(step["when"]) ? step["when"]["media_type"] : undefined;
  return {
    name,
    use,
    processor: use === undefined ? undefined : catalogue.get(use),
    needs: textsOf(step["needs"]),
    with: isObject(step["with"]) ? step["with"] : {},
    when: when === undefined ? undefined : textsOf(when),
    hasFanIn: step["fan_in"] !== undefined,
    hasBatch: step["batch"] !== undefined,
    asksForCache: step["cache"] === true,
  };
}

/** The strings of a list at their places; what is no string becomes "", which names nothing. */
function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map((entry) => (typeof entry === "string" ? entry : "")) : [];
}
