import type { Issue } from "@filemill/contract/errors.ts";
import type { PipelineDocument, Step } from "@filemill/contract/pipeline.ts";
import { parseDuration } from "@filemill/contract/parse-units.ts";
import { Problem } from "../errors.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { Processor } from "../processors/processor.ts";
import { reuseOf, stepCaching, type StepCaching } from "./plan-reuse.ts";
import { readParamsSchema } from "./pipelines/params-schema.ts";
import { substitute } from "./pipelines/template.ts";
import { issuesOfZod } from "./pipelines/zod-issues.ts";
import { givesExactlyOne, mayLoseItems } from "./plan-counts.ts";
import { groupIntoStages, type StageGroup } from "./plan-stages.ts";
import type { Plan, StagePlan, StepPlan } from "./plan.ts";
import { orderSteps } from "./step-order.ts";

export const DEFAULT_LANE = "default";
export const DEFAULT_ATTEMPTS = 3;
export const DEFAULT_FAN_IN = 5;

/** A step with everything that the document leaves out filled in. */
interface FilledStep extends Omit<StepPlan, "feeds"> {
  readonly kind: Processor["kind"];
  readonly byWorker: boolean;
  readonly lane: string;
  readonly attempts: number;
  readonly weight: number;
  readonly batch?: NonNullable<Step["batch"]>;
  readonly fanIn: number;
  readonly caching: StepCaching;
}

/**
 * Makes a linted document ready to run with these parameters. Pure: the same document (whatever the order of its keys),
 * parameters and catalogue give the same plan. Throws Problem validation_failed, with pointers into `/params` or
 * `/steps/<name>/with`, where the parameters do not fit.
 */
export function planPipeline(document: PipelineDocument, params: Readonly<Record<string, unknown>>, catalogue: Catalogue): Plan {
  const accepted = readParamsSchema(document.params).accept(params);
  refuse(accepted.issues);
  const needsOf = new Map(Object.entries(document.steps).map(([name, step]) => [name, step.needs ?? []]));
  const order = orderSteps(needsOf);
  const outputs = new Set(document.outputs ?? leavesOf(needsOf));
  const issues: Issue[] = [];
  const steps = order.map((name) => fillStep({ name, document, catalogue, values: accepted.values, output: outputs.has(name), issues }));
  refuse(issues);
  if (order.length < needsOf.size) throw new Problem("validation_failed", "The steps of the pipeline need each other in a circle.");
  const stages = stagesOf(groupIntoStages(steps));
  return document.retention === undefined ? { stages } : { stages, retentionMs: parseDuration(document.retention) };
}

function fillStep(from: {
  name: string;
  document: PipelineDocument;
  catalogue: Catalogue;
  values: Readonly<Record<string, unknown>>;
  output: boolean;
  issues: Issue[];
}): FilledStep {
  const step = from.document.steps[from.name];
  const processor = step && from.catalogue.get(step.use);
  if (!step || !processor) {
    throw new Problem("validation_failed", `Step "${from.name}" uses "${step?.use}", which is no processor of this platform.`);
  }
  const given = substitute(step.with ?? {}, from.values);
  const parsed = processor.params.safeParse(given, { reportInput: true });
  if (!parsed.success) from.issues.push(...issuesOfZod(parsed.error, { path: ["steps", from.name, "with"], schema: processor.params }));
  return {
    name: from.name,
    use: step.use,
    version: processor.version,
    with: parsed.success ? withDefaults(processor, given, parsed.data) : {},
    needs: step.needs?.length ? [...new Set(step.needs)] : [""],
    ...(step.when && { when: step.when }),
    onError: step.on_error ?? "fail",
    timeoutMs: step.timeout === undefined ? processor.limits.wallMs : parseDuration(step.timeout),
    emits: processor.emits,
    byWorker: processor.doneBy === "worker",
    output: from.output,
    kind: processor.kind,
    lane: step.lane ?? DEFAULT_LANE,
    attempts: step.attempts ?? DEFAULT_ATTEMPTS,
    weight: step.weight ?? 1,
    ...(step.batch && { batch: step.batch }),
    fanIn: step.fan_in ?? DEFAULT_FAN_IN,
    caching: stepCaching(step, processor, parsed.success ? parsed.data : undefined),
  };
}

/**
 * The parameters as the step host will parse them again. The parsed values hold the defaults of today, which is what a
 * running job must keep; but a schema that turns "50MiB" into a number does not take its own result, so that there only
 * the values that still parse the same are kept, and the given ones otherwise.
 */
function withDefaults(processor: Processor, given: unknown, parsed: unknown): Readonly<Record<string, unknown>> {
  const again = processor.params.safeParse(parsed);
  const settled = again.success && JSON.stringify(again.data) === JSON.stringify(parsed);
  return JSON.parse(JSON.stringify(settled ? parsed : given)) as Record<string, unknown>;
}

function stagesOf(groups: readonly StageGroup<FilledStep>[]): StagePlan[] {
  const stageOf = new Map(groups.flatMap((group, no) => group.steps.map((step) => [step.name, no] as const)));
  const stages: StagePlan[] = [];
  groups.forEach((group, no) => {
    const [first] = group.steps;
    if (!first) return;
    const feeders = [...new Set(group.sources.flatMap((source) => stageOf.get(source) ?? []))].toSorted((left, right) => left - right);
    const above = feeders.flatMap((feeder) => stages[feeder] ?? []);
    stages.push({
      no,
      kind: first.kind,
      lane: first.lane,
      attempts: first.attempts,
      ...weightOf(group.steps),
      ...(first.batch && { batch: first.batch }),
      ...(first.kind === "tree" && { fanIn: first.fanIn }),
      steps: group.steps.map((step) => stepPlan(step, groups)),
      ...reuseOf(group.steps.map((step) => step.caching)),
      feeders,
      takesInputs: group.sources.includes(""),
      countKnown: above.every(
        (stage) => stage.countKnown && givesExactlyOne(stage, group.sources) && !(first.kind === "map" && mayLoseItems(stage)),
      ),
    });
  });
  return stages;
}

function stepPlan(step: FilledStep, groups: readonly StageGroup<FilledStep>[]): StepPlan {
  const {
    kind: _kind,
    lane: _lane,
    attempts: _attempts,
    weight: _weight,
    batch: _batch,
    fanIn: _fanIn,
    caching: _caching,
    byWorker: _by,
    ...rest
  } = step;
  return { ...rest, feeds: groups.flatMap((group, no) => (group.sources.includes(step.name) ? [no] : [])) };
}

function weightOf(steps: readonly FilledStep[]): Pick<StagePlan, "weight"> {
  const weight = Math.max(...steps.map((step) => step.weight));
  return weight === 1 ? {} : { weight };
}

function leavesOf(needsOf: ReadonlyMap<string, readonly string[]>): string[] {
  const needed = new Set([...needsOf.values()].flat());
  return [...needsOf.keys()].filter((name) => !needed.has(name));
}

function refuse(issues: readonly Issue[]): void {
  if (issues.length === 0) return;
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  throw new Problem("validation_failed", `The parameters do not fit the pipeline: ${first?.pointer} ${first?.message}${more}.`, { issues });
}
