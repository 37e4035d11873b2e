import type { StagePlan, StepPlan } from "../jobs/plan.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { StageRun } from "../processors/stage-run.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { HostPool } from "./host/pool.ts";
import type { HostOutcome } from "./host/run-on-host.ts";
import { stepOfWorker } from "./fetch-inputs.ts";
import { withFetched } from "./fetched-results.ts";
import { isKeptInStage } from "./kept-steps.ts";
import type { Prepared } from "./prepare.ts";

export interface HostServices {
  readonly catalogue: Catalogue;
  readonly hosts: HostPool;
  readonly onStarted?: () => void;
  /** Items of a batch that are done while it runs. */
  readonly onItems?: ((done: number) => void) | undefined;
}

export interface TaskOnHosts {
  readonly task: ClaimedTask;
  readonly stage: StagePlan;
  readonly prepared: Prepared;
  /** The task's scratch folder, with its inputs. */
  readonly folder: string;
  /** Record a CPU profile of the steps. */
  readonly profile?: boolean;
}

/**
 * Runs the steps over what has to be run: nothing, where every entry has its result from an earlier run, or where the
 * worker has done the only step.
 */
export async function runOnHosts(services: HostServices, work: TaskOnHosts, signal: AbortSignal): Promise<HostOutcome> {
  const { prepared, stage } = work;
  const outcome = await runSteps(services, work, signal);
  return outcome.type === "done" ? { ...outcome, results: withFetched({ stage, entries: prepared.entries }, outcome.results) } : outcome;
}

async function runSteps(services: HostServices, work: TaskOnHosts, signal: AbortSignal): Promise<HostOutcome> {
  const { prepared, stage, task } = work;
  if (prepared.entries.length === 0 || stepsOfHost(stage).length === 0) {
    services.onStarted?.();
    return { type: "done", results: prepared.entries.map(() => ({ ok: true, outputs: [], ran: false })) };
  }
  return await services.hosts.run(task.tenantId, stageRun(services.catalogue, work), {
    limits: { memoryBytes: memoryOf(services.catalogue, stage), wallMs: wallOf(stage, prepared.entries.length) },
    signal,
    weight: task.weight,
    onBegun: services.onStarted,
    onEntries: services.onItems,
  });
}

function stageRun(catalogue: Catalogue, { task, stage, prepared, folder, profile }: TaskOnHosts): StageRun {
  const { kind } = stage;
  if (kind === "source") throw new RangeError(`task ${task.id} lists a source, which is no step`);
  return {
    type: "run",
    kind,
    entries: prepared.entries.map(({ index: _index, isFetched: _isFetched, ...entry }) => entry),
    scratch: folder,
    ...(stage.fanIn === undefined ? {} : { fanIn: stage.fanIn }),
    ...(profile && { profile }),
    ...(task.tree?.root === false && { isRoot: false as const }),
    steps: stepsOfHost(stage).map((step) => ({
      name: step.name,
      use: step.use,
      with: step.with,
      needs: step.needs,
      ...(step.when ? { when: step.when } : {}),
      timeoutMs: step.timeoutMs,
      outputBytes: catalogue.get(step.use)?.limits.outputBytes ?? 0,
      keep: isKeptInStage(step, stage),
    })),
  };
}

function stepsOfHost(stage: StagePlan): readonly StepPlan[] {
  const own = stepOfWorker(stage);
  return stage.steps.filter((step) => step !== own);
}

function memoryOf(catalogue: Catalogue, stage: StagePlan): number {
  return Math.max(...stage.steps.map((step) => catalogue.get(step.use)?.limits.memoryBytes ?? 0));
}

/** The steps' own limits bound each call; this only bounds their sum. */
function wallOf(stage: StagePlan, entries: number): number {
  const calls = stage.kind === "map" ? Math.max(1, entries) : 1;
  return calls * stage.steps.reduce((sum, step) => sum + step.timeoutMs, 0);
}
