import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { Entry, NewTask } from "../../queue/task.ts";
import type { StagePlan } from "../plan.ts";
import { deltaOf, type JobAdvance, type PendingEntry } from "./deliveries.ts";
import { pack } from "./pack.ts";
import { isSequential } from "./runs.ts";
import type { StageRow } from "./stage-rows.ts";
import { takeArrivals, type CompleteNode, type TreeArrival } from "./tree-arrivals.ts";

/** The tasks that a job's deliveries make, counted in its deltas. The job's stage rows are locked. */
export async function makeTasks(transaction: Transaction, advance: JobAdvance, rows: readonly StageRow[]): Promise<NewTask[]> {
  const tasks: NewTask[] = [];
  for (const [number, arrivals] of advance.tree) {
    const stage = stageOf(advance, number);
    const nodes = await completeNodes(transaction, { advance, stage, leaves: rows[number]?.leaves ?? 0 }, arrivals);
    deltaOf(advance, number).openTasks += nodes.length;
    tasks.push(...nodes.map((node) => treeTask(advance, stage, node)));
  }
  const next = await ordinals(transaction, advance);
  for (const [number, pending] of advance.entries) {
    const stage = stageOf(advance, number);
    const packs = pack(pending, stage.batch);
    const delta = deltaOf(advance, number);
    delta.openTasks += packs.length;
    delta.itemsIn += pending.length;
    const state = isSequential(stage) ? { state: { type: "waiting" as const } } : {};
    tasks.push(
      ...packs.map((entries) => ({ ...taskOf(advance, stage), ...state, entries: entries.map((entry) => numbered(entry, next)) })),
    );
  }
  return tasks;
}

export async function completeNodes(
  transaction: Transaction,
  of: { readonly advance: JobAdvance; readonly stage: StagePlan; readonly leaves: number },
  arrivals: readonly TreeArrival[],
): Promise<CompleteNode[]> {
  const { advance, stage, leaves } = of;
  const tree = { leaves, fanIn: stage.fanIn ?? 2 };
  return await takeArrivals(transaction, { jobId: advance.jobId, tenantId: advance.tenantId, stage: stage.no, tree }, arrivals);
}

export function treeTask(advance: JobAdvance, stage: StagePlan, node: CompleteNode): NewTask {
  const below = node.level === 1 ? (stage.steps[0]?.needs[0] ?? "") : (stage.steps[0]?.name ?? "");
  return {
    ...taskOf(advance, stage),
    entries: node.files.map((fileId) => ({ ordinal: -1, parent: -1, fileId, from: below })),
    tree: { level: node.level, node: node.node, root: node.root },
  };
}

export function taskOf(advance: JobAdvance, stage: StagePlan): Omit<NewTask, "entries"> {
  return {
    tenantId: advance.tenantId,
    jobId: advance.jobId,
    stage: stage.no,
    kind: stage.kind,
    lane: stage.lane,
    priority: advance.priority,
    maxAttempts: stage.attempts,
    weight: stage.weight,
  };
}

function stageOf(advance: JobAdvance, number: number): StagePlan {
  const stage = advance.plan.stages[number];
  if (!stage) throw new RangeError(`job ${advance.jobId} has no stage ${number}`);
  return stage;
}

/** Reserves ordinals for the new items of this transaction; the job's row comes after its stages in the order of locks. */
async function ordinals(transaction: Transaction, advance: JobAdvance): Promise<Iterator<number>> {
  const wanted = [...advance.entries.values()].flat().filter((entry) => entry.ordinal === undefined).length;
  if (wanted === 0) return [].values();
  const rows = await transaction.query<{ first: number }>(sql`
    UPDATE jobs SET next_ordinal = next_ordinal + ${wanted} WHERE id = ${advance.jobId}::uuid RETURNING next_ordinal - ${wanted} AS first`);
  const first = rows[0]?.first ?? 0;
  return Array.from({ length: wanted }, (_unused, index) => first + index).values();
}

function numbered(entry: PendingEntry, next: Iterator<number>): Entry {
  const ordinal = entry.ordinal ?? Number(next.next().value);
  return { ordinal, parent: entry.parent, fileId: entry.fileId, from: entry.from };
}
