import type { Transaction } from "../../db/database.ts";
import { insertTasks } from "../../queue/insert-tasks.ts";
import type { NewTask } from "../../queue/task.ts";
import type { Plan, StagePlan } from "../plan.ts";
import { allArrivals } from "./arrivals.ts";
import type { JobAdvance } from "./deliveries.ts";
import { completeNodes, taskOf, treeTask } from "./make-tasks.ts";
import type { StageRow } from "./stage-rows.ts";

/**
 * Closes every stage of a job that nothing can come to any more, in order, since one end may bring about the next. A
 * reduce that waited for its feeders starts here; one with a dead item anywhere above it ends with `input_dead` instead,
 * as one dead task, so that it can be seen and is replaced on a retry. Returns the lanes that got work.
 */
export async function closeStages(transaction: Transaction, advance: JobAdvance, rows: readonly StageRow[]): Promise<Set<string>> {
  const lanes = new Set<string>();
  for (const { stage, row, dead } of withFate(advance.plan, rows)) {
    if (row.status !== "open" || row.openTasks > 0 || row.openFeeders > 0) continue;
    if (stage.kind === "tree" || stage.kind === "gather") {
      const started = await startOrEndReduce(transaction, { advance, stage, row, dead });
      if (started > 0) {
        lanes.add(stage.lane);
        continue;
      }
    }
    row.status = "closed";
    for (const dependent of advance.plan.stages) {
      const dependentRow = rows[dependent.no];
      if (dependentRow && dependent.feeders.includes(stage.no)) dependentRow.openFeeders -= 1;
    }
  }
  return lanes;
}

/**
 * The stages in order, each with whether anything above it has a dead item or a dead reduce, the ones that end meanwhile
 * included. Feeders come before what they feed, so that each stage is looked at once: to walk up from every reduce takes
 * as many steps as there are paths, 2^n for n steps that each need all the others before them.
 */
function* withFate(plan: Plan, rows: readonly StageRow[]): Generator<{ stage: StagePlan; row: StageRow; dead: boolean }> {
  const doomed = new Set<number>();
  for (const stage of plan.stages) {
    const row = rows[stage.no];
    if (!row) continue;
    const dead = stage.feeders.some((feeder) => doomed.has(feeder));
    yield { stage, row, dead };
    if (dead || row.dead > 0 || row.deadTasks > 0) doomed.add(stage.no);
  }
}

interface Reduce {
  readonly advance: JobAdvance;
  readonly stage: StagePlan;
  readonly row: StageRow;
  readonly dead: boolean;
}

/** Returns the number of tasks started; 0 = the stage has ended. */
async function startOrEndReduce(transaction: Transaction, { advance, stage, row, dead }: Reduce): Promise<number> {
  if (dead) {
    if (row.deadTasks === 0) await insertTasks(transaction, [inputDead(advance, stage)]);
    row.deadTasks = Math.max(1, row.deadTasks);
    return 0;
  }
  const startsNow = row.leaves === null;
  if (!startsNow) return 0;
  const tasks = await reduceTasks(transaction, { advance, stage, row });
  await insertTasks(transaction, tasks);
  row.openTasks += tasks.length;
  return tasks.length;
}

async function reduceTasks(transaction: Transaction, { advance, stage, row }: Omit<Reduce, "dead">): Promise<NewTask[]> {
  const entries = await allArrivals(transaction, advance.jobId, stage);
  row.leaves = entries.length;
  if (entries.length === 0) return [];
  if (stage.kind === "gather") return [{ ...taskOf(advance, stage), entries }];
  const arrivals = entries.map((entry, slot) => ({ level: 1, slot, fileId: entry.fileId }));
  const nodes = await completeNodes(transaction, { advance, stage, leaves: entries.length }, arrivals);
  return nodes.map((node) => treeTask(advance, stage, node));
}

function inputDead(advance: JobAdvance, stage: StagePlan): NewTask {
  const step = stage.steps[0]?.name ?? null;
  const message = 'An input of this step is dead, and its on_error is "fail". Retry the dead items, or let the failing step skip them.';
  return {
    ...taskOf(advance, stage),
    entries: [],
    state: { type: "dead", attempts: 0, error: { class: "bad_input", code: "input_dead", step, message } },
  };
}
