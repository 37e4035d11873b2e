import type { Issue } from "@filemill/contract/errors.ts";
import { parseSize } from "@filemill/contract/parse-units.ts";
import type { PipelineDocument, Trigger } from "@filemill/contract/pipeline.ts";
import { Problem } from "../../errors.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { planPipeline } from "../plan-pipeline.ts";
import { pointerTo } from "./pointer.ts";

/** What of a sound pipeline's triggers can never run: nobody is there to be told when it is to. */
export function lintTriggers(document: PipelineDocument, catalogue: Catalogue): Issue[] {
  return (document.triggers ?? []).flatMap((trigger, index) => [
    ...lintSizes(trigger, ["triggers", index]),
    ...lintTriggerParams({ document, catalogue, trigger, path: ["triggers", index] }),
  ]);
}

function lintSizes({ min_size, max_size }: Trigger, path: readonly PropertyKey[]): Issue[] {
  if (min_size === undefined || max_size === undefined || parseSize(min_size) <= parseSize(max_size)) return [];
  return [{ pointer: pointerTo([...path, "max_size"]), message: `is less than min_size, so that no file matches` }];
}

function lintTriggerParams(given: {
  readonly document: PipelineDocument;
  readonly catalogue: Catalogue;
  readonly trigger: Trigger;
  readonly path: readonly PropertyKey[];
}): Issue[] {
  const { document, catalogue, trigger, path } = given;
  try {
    planPipeline(document, trigger.params ?? {}, catalogue);
    return [];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const suggestion = "Give the parameters in the trigger's params, or defaults in the pipeline's.";
    const at = pointerTo(path);
    return (error.issues ?? [{ pointer: "", message: error.message }]).map(({ pointer, message }) => ({
      pointer: pointer.startsWith("/params") ? at + pointer : pointerTo([...path, "params"]),
      message: pointer.startsWith("/params") ? message : `the pipeline can't run with these: ${pointer} ${message}`,
      suggestion,
    }));
  }
}
