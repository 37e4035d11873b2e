import { isDatabaseAway } from "../db/database-errors.ts";
import { StorageError, type Failure } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import type { EntryOutcome, TaskOutcome } from "../jobs/advance/outcome.ts";
import { sweepTasks } from "../jobs/cancel.ts";
import type { Plan, StagePlan } from "../jobs/plan.ts";
import { isCollecting } from "../jobs/sources/plan-source.ts";
import type { ResultRow } from "../outputs/result-cache.ts";
import type { EntryResult, RecordedProfile } from "../processors/stage-run.ts";
import { MAX_HANDBACKS } from "../queue/release.ts";
import type { ClaimedTask } from "../queue/task.ts";
import { ReservationLost, type Reservation } from "../tenants/quota-reservation.ts";
import { commitCompletion } from "./commit-completion.ts";
import { fetchInputs } from "./fetch-inputs.ts";
import { keepOutputs, ResultGone, type Kept } from "./keep-outputs.ts";
import { withKeptProfile } from "./keep-profile.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { amountOfAll, reserveOutputs } from "./reserve-outputs.ts";
import { countReused, forgetReused, openLookUp } from "./reuse.ts";
import { runGenerate } from "./run-generate.ts";
import { runOnHosts } from "./run-on-hosts.ts";
import { runCollect } from "./run-collect.ts";
import { runSource } from "./run-source.ts";
import { placeResults, resultsToRemember } from "./stored-results.ts";
import type { TaskEnd, TaskServices } from "./task-services.ts";
import { unlessGivenUp } from "./unless-given-up.ts";

/** Runs one claimed task to its end: inputs to disk, steps in a host, outputs durable, one fenced commit. Never rejects. */
export async function runTask(services: TaskServices, task: ClaimedTask, signal: AbortSignal): Promise<TaskEnd> {
  try {
    const job = await unlessGivenUp(services.plans.of(task.jobId), signal);
    if (!job || job.status === "cancelled") {
      await services.database.asSystem((transaction) => sweepTasks(transaction, [task.jobId]));
      return "not_ours";
    }
    await failpoint("task-after-claim");
    const planned = { task, plan: job.plan };
    const stage = job.plan.stages[task.stage];
    if (stage?.generates !== undefined) return await runGenerate(services, planned, signal);
    if (task.kind === "source") return await runSource(services, planned, signal);
    return stage && isCollecting(stage) ? await runCollect(services, planned, signal) : await runInFolder(services, planned, signal);
  } catch (error) {
    return await afterError(services, task, { error, signal });
  }
}

interface PlannedTask {
  readonly task: ClaimedTask;
  readonly plan: Plan;
}

async function runInFolder(services: TaskServices, planned: PlannedTask, signal: AbortSignal): Promise<TaskEnd> {
  const folder = await services.hosts.taskFolder();
  const place = services.ahead.place(signal);
  const onStarted = () => {
    place.leave();
    services.onStarted?.();
  };
  let prepared: Prepared | undefined;
  try {
    prepared = await prepare(services, planned.task, {
      ...{ folder: folder.path, signal, isLastTry: isLastTry(planned.task) },
      room: (bytes) => place.take(bytes),
      lookUp: await openLookUp(services, planned.task, stageOf(planned)),
    });
    prepared = await fetchInputs(
      services.sources.fetch,
      { stage: stageOf(planned), prepared, folder: folder.path, onBytes: place.grow },
      signal,
    );
    await failpoint("task-after-prepare");
    return await runSteps({ ...services, onStarted }, { ...planned, prepared, folder: folder.path }, signal);
  } catch (error) {
    if (!(error instanceof ResultGone) || !prepared) throw error;
    services.log.warn({ err: error, taskId: planned.task.id }, "an earlier result can't be read; the steps run again");
    place.leave();
    await forgetReused(services.database, planned.task, prepared.reuse);
    const { secrets: _secrets, ...withoutReuse } = services;
    return await runInFolder(withoutReuse, planned, signal);
  } finally {
    place.leave();
    await folder.remove();
  }
}

interface PreparedTask extends PlannedTask {
  readonly prepared: Prepared;
  readonly folder: string;
}

async function runSteps(services: TaskServices, work: PreparedTask, signal: AbortSignal): Promise<TaskEnd> {
  const { task, prepared } = work;
  const stage = stageOf(work);
  if (isMissingInput(task, prepared)) return await commit(services, work, { outcome: withoutInput(work, stage), signal });
  const profile = work.plan.profile === true && services.profiles.take(task);
  const outcome = await runOnHosts(services, { ...work, stage, profile }, signal);
  await failpoint("task-after-run");
  if (outcome.type === "cancelled") return signal.reason === "taken" ? "not_ours" : "given_up";
  if (outcome.type === "died") {
    if (outcome.failure.class === "infrastructure") return await giveUp(services, work, { stage, reason: outcome.failure, signal });
    const culprit = outcome.entry === undefined ? undefined : prepared.entries[outcome.entry.index]?.index;
    const died: TaskOutcome = { type: "failed", failure: outcome.failure, step: outcome.entry?.step ?? null, culprit };
    return await commit(services, work, { outcome: died, signal });
  }
  const away = outcome.results.find((result) => !result.ok && result.failure.class === "infrastructure");
  if (away && !away.ok) return await giveUp(services, work, { stage, reason: away.failure, signal });
  return await keepAndCommit(services, work, { stage, ...outcome, signal });
}

async function keepAndCommit(
  services: TaskServices,
  work: PreparedTask,
  { stage, results, profile, signal }: RanStage & { readonly signal: AbortSignal },
): Promise<TaskEnd> {
  const { task, prepared } = work;
  const reservation = await services.quotas.open(task.tenantId);
  try {
    const placed = await reserveOutputs(reservation, { task, stage }, placeResults({ task, stage, prepared }, results));
    const outputs = await keepOutputs({ contents: services.contents, task, stage, signal }, placed);
    const reserved = amountOfAll({ task, stage }, placed);
    const kept = await withKeptProfile(services, outputs, { profile, task, reservation, reserved, signal });
    await failpoint("task-after-put-before-commit");
    const places = new Map(placed.map(({ place }, index) => [place, kept.results[index]]));
    const outcome: TaskOutcome = { type: "done", results: task.kind === "map" ? resultsOfAll(work, stage, places) : kept.results };
    const remember = resultsToRemember({ task, stage, prepared }, placed, kept.results);
    const end = await commit(services, work, { outcome, kept, reservation, remember, signal });
    if (end === "committed") services.onReused?.(countReused(prepared.reuse));
    return end;
  } catch (error) {
    // Where it was given to the committer, that has seen to it already.
    await reservation.release();
    throw error;
  }
}

interface RanStage {
  readonly stage: StagePlan;
  readonly results: readonly EntryResult[];
  readonly profile?: RecordedProfile | undefined;
}

function stageOf({ task, plan }: PlannedTask): StagePlan {
  const stage = plan.stages[task.stage];
  if (!stage) throw new RangeError(`task ${task.id} belongs to stage ${task.stage}, which its plan does not have`);
  return stage;
}

interface Finished {
  readonly outcome: TaskOutcome;
  readonly kept?: Kept;
  readonly remember?: readonly ResultRow[];
  readonly reservation?: Reservation;
  readonly signal: AbortSignal;
}

async function commit(services: TaskServices, { task, plan }: PlannedTask, { outcome, kept, signal, ...rest }: Finished): Promise<TaskEnd> {
  const made = { files: kept?.files ?? [], outputs: kept?.outputs ?? [] };
  return await commitCompletion(services, { finished: { task, plan, outcome }, ...made, ...rest }, signal);
}

function isLastTry(task: ClaimedTask): boolean {
  return task.handbacks + 1 >= MAX_HANDBACKS;
}

/** Hands the task back because something that all tasks need is away; one for which that never ends is `lost`. */
async function giveUp(
  services: TaskServices,
  planned: PlannedTask,
  { stage, reason, signal }: { stage: StagePlan; reason: Failure; signal: AbortSignal },
): Promise<TaskEnd> {
  const { task } = planned;
  if (!isLastTry(task)) return "given_up";
  const message = `This was handed back ${MAX_HANDBACKS} times, the last time because: ${reason.message}`;
  const lost: EntryOutcome = { ok: false, failure: { class: "lost", code: "lost", message }, step: stage.steps[0]?.name ?? "" };
  return await commit(services, planned, { outcome: { type: "done", results: resultsFor(task, () => lost) }, signal });
}

/** What to do about an error that is not the processors': whose is it, and does it cost an attempt? */
async function afterError(
  services: TaskServices,
  task: ClaimedTask,
  { error, signal }: { error: unknown; signal: AbortSignal },
): Promise<TaskEnd> {
  if (signal.aborted) return signal.reason === "taken" ? "not_ours" : "given_up";
  // Reservations end where this process could not reach the database for their lease.
  const isAway = [isDatabaseAway(error), error instanceof StorageError, error instanceof ReservationLost, isDiskTrouble(error)].includes(
    true,
  );
  if (isAway) {
    services.log.warn({ err: error, taskId: task.id }, "a task is handed back: the database, the store or the scratch disk is away");
    if (!isLastTry(task)) return "given_up";
  } else services.log.error({ err: error, taskId: task.id, jobId: task.jobId }, "a task failed in the worker itself");
  try {
    const plan = (await unlessGivenUp(services.plans.of(task.jobId), signal))?.plan;
    const stage = plan?.stages[task.stage];
    if (!plan || !stage) return "not_ours";
    if (isAway) return await giveUp(services, { task, plan }, { stage, reason: AWAY, signal });
    return await commit(
      services,
      { task, plan },
      { outcome: { type: "failed", failure: CRASHED, step: null, culprit: undefined }, signal },
    );
  } catch (second) {
    services.log.error({ err: second, taskId: task.id }, "the failure of a task could not be recorded");
    return "given_up";
  }
}

const CRASHED: Failure = { class: "crashed", code: "crashed", message: "The worker could not finish this task; its log has the reason." };
const AWAY: Failure = { class: "infrastructure", code: "lost", message: "The database, the store or the scratch disk was away." };

function isDiskTrouble(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EMFILE" || code === "EIO";
}

function isMissingInput(task: ClaimedTask, prepared: Prepared): boolean {
  return task.kind === "map" ? prepared.missing.size === task.entries.length : prepared.missing.size > 0;
}

/** A map of which nothing can be read; a reduce of which something can't, which ends as a whole. */
function withoutInput({ task, prepared }: PreparedTask, stage: StagePlan): TaskOutcome {
  const [first] = prepared.missing.values();
  const step = stage.steps[0]?.name ?? "";
  const failureOf = (index: number) => (task.kind === "map" ? prepared.missing.get(index) : first);
  return { type: "done", results: resultsFor(task, (index) => missingEntry(failureOf(index), step)) };
}

/** The results, with the entries put back that could not be read. */
function resultsOfAll(
  { task, prepared }: PreparedTask,
  stage: StagePlan,
  byIndex: ReadonlyMap<number, EntryOutcome | undefined>,
): EntryOutcome[] {
  const step = stage.steps[0]?.name ?? "";
  return resultsFor(task, (index) => byIndex.get(index) ?? missingEntry(prepared.missing.get(index), step));
}

function missingEntry(failure: Failure | undefined, step: string): EntryOutcome {
  if (!failure) throw new RangeError("an entry has neither a result nor a reason why it has none");
  return { ok: false, failure, step };
}

/** As many results as the task's kind has: one an entry, or one. */
function resultsFor(task: ClaimedTask, resultOf: (index: number) => EntryOutcome): EntryOutcome[] {
  return task.kind === "map" ? task.entries.map((_entry, index) => resultOf(index)) : [resultOf(0)];
}
