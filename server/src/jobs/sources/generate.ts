import type { GenerateSource } from "@filemill/contract/source.ts";
import { Problem } from "../../errors.ts";
import { generatedDocument, generatedId } from "../../record/generated-id.ts";
import type { Plan, StagePlan } from "../plan.ts";

/**
 * Inputs that the transaction which submits the job makes itself: 200 tasks of the usual size, some 30 ms. More come from a
 * source task, page by page (commit-generated.ts), so that the longest transaction and its memory stay the same.
 */
const MAX_AT_ONCE = 10_000;
/** A batch that is a part of all items must see all of them. */
const MAX_IN_FRACTIONS = 100_000;

export type Generation =
  | { readonly type: "at_once"; readonly plan: Plan; readonly inputs: readonly GeneratedEntry[] }
  | { readonly type: "paged"; readonly plan: Plan };

export interface GeneratedEntry {
  readonly fileId: string;
  readonly sizeBytes: number;
}

/** How a job's generated inputs come into its plan. Throws Problem validation_failed. */
export function generationOf(plan: Plan, { count }: GenerateSource): Generation {
  const needsAll = plan.stages.some((stage) => stage.takesInputs && stage.batch !== undefined && "fraction" in stage.batch);
  if (needsAll && count > MAX_IN_FRACTIONS) throw tooManyForFractions(count);
  if (needsAll || count <= MAX_AT_ONCE) return { type: "at_once", plan, inputs: generatedEntries({ from: 0, to: count, count }) };
  return { type: "paged", plan: behindGenerator(plan, count) };
}

/** The inputs with ordinals in [from, to). */
export function generatedEntries({ from, to, count }: { from: number; to: number; count: number }): GeneratedEntry[] {
  // All as long as the longest, so that packing does not depend on where a page begins.
  const sizeBytes = generatedDocument({ ordinal: count - 1, count }).content.length;
  return Array.from({ length: to - from }, (_unused, index) => ({ fileId: generatedId({ ordinal: from + index, count }), sizeBytes }));
}

/** The stages that take what the generator, stage 0, makes. */
export function takersOf(plan: Plan): number[] {
  return plan.stages.filter((stage) => stage.feeders.includes(0)).map((stage) => stage.no);
}

/**
 * Stage 0 generates. Unlike behind a source that is listed, the number of inputs is known from the start, so that trees
 * whose size follows from it begin at once.
 */
function behindGenerator(plan: Plan, count: number): Plan {
  const bare = { lane: plan.stages.find((stage) => stage.takesInputs)?.lane ?? "default", attempts: ATTEMPTS, takesInputs: false };
  const generator: StagePlan = { ...bare, no: 0, kind: "source", generates: count, steps: [], feeders: [], countKnown: true };
  return { ...plan, stages: [generator, ...plan.stages.map(moved)] };
}

function moved(stage: StagePlan): StagePlan {
  const feeders = [...(stage.takesInputs ? [0] : []), ...stage.feeders.map((feeder) => feeder + 1)];
  const steps = stage.steps.map((step) => ({ ...step, feeds: step.feeds.map((target) => target + 1) }));
  return { ...stage, no: stage.no + 1, feeders, steps, takesInputs: false };
}

const ATTEMPTS = 6;

function tooManyForFractions(count: number): Problem {
  const message = `batches that are a fraction of all items take at most ${MAX_IN_FRACTIONS} of them; ${count} were asked for`;
  return new Problem("validation_failed", `The job's inputs: ${message}. Give the batch in items.`, {
    issues: [{ pointer: "/source/count", message }],
  });
}
