import type { Entry } from "../../queue/task.ts";
import type { Plan, StepPlan } from "../plan.ts";
import type { OutputOutcome } from "./outcome.ts";
import type { TreeArrival } from "./tree-arrivals.ts";

/** A file on its way into a map stage. Without an ordinal it becomes a new item (a child of a fan-out, a reduce's result). */
export interface PendingEntry {
  readonly ordinal: number | undefined;
  readonly parent: number;
  readonly fileId: string;
  readonly from: string;
  readonly sizeBytes: number;
}

/** Changes of a stage's counters. */
export interface StageDelta {
  openTasks: number;
  itemsIn: number;
  succeeded: number;
  skipped: number;
  dead: number;
  moved: number;
  deadTasks: number;
}

/** All that one transaction brings to one job, by stage number. */
export interface JobAdvance {
  readonly jobId: string;
  readonly tenantId: string;
  readonly priority: number;
  readonly plan: Plan;
  readonly deltas: Map<number, StageDelta>;
  readonly entries: Map<number, PendingEntry[]>;
  /** For a gather, or for a tree whose size is not known yet. */
  readonly arrivals: Map<number, Entry[]>;
  readonly tree: Map<number, TreeArrival[]>;
}

export function newAdvance(job: Pick<JobAdvance, "jobId" | "tenantId" | "priority" | "plan">): JobAdvance {
  return { ...job, deltas: new Map(), entries: new Map(), arrivals: new Map(), tree: new Map() };
}

export function deltaOf(advance: JobAdvance, stage: number): StageDelta {
  return entryOf(advance.deltas, stage, () => ({ openTasks: 0, itemsIn: 0, succeeded: 0, skipped: 0, dead: 0, moved: 0, deadTasks: 0 }));
}

/**
 * Hands the job's inputs, or what an entry's steps emitted, to the stages that take it. `from` is the step (or `""`),
 * `entry` the item it belongs to: absent for the result of a reduce. Returns whether a later map stage now counts the item.
 */
export function deliver(
  advance: JobAdvance,
  from: Pick<StepPlan, "name" | "feeds" | "emits">,
  entry: Entry | undefined,
  outputs: readonly OutputOutcome[],
): boolean {
  let movedOn = false;
  for (const target of from.feeds) {
    const stage = advance.plan.stages[target];
    if (!stage) throw new RangeError(`step "${from.name}" feeds stage ${target}, which the plan does not have`);
    if (stage.kind === "map") {
      const same = entry !== undefined && from.emits === "one";
      for (const output of outputs) {
        entryOf(advance.entries, target, () => []).push({
          ordinal: same ? entry.ordinal : undefined,
          parent: same ? entry.parent : (entry?.ordinal ?? -1),
          fileId: output.fileId,
          from: from.name,
          sizeBytes: output.sizeBytes,
        });
      }
      movedOn ||= same && outputs.length > 0;
    } else if (stage.kind === "tree" && stage.countKnown && entry) {
      const edges = stage.steps[0]?.needs ?? [];
      const slot = entry.ordinal * edges.length + edges.indexOf(from.name);
      entryOf(advance.tree, target, () => []).push({ level: 1, slot, fileId: outputs[0]?.fileId });
    } else {
      for (const output of outputs) {
        entryOf(advance.arrivals, target, () => []).push({
          ordinal: entry?.ordinal ?? -1,
          parent: entry?.parent ?? -1,
          fileId: output.fileId,
          from: from.name,
        });
      }
    }
  }
  return movedOn;
}

export function entryOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const existing = map.get(key);
  if (existing !== undefined) return existing;
  const created = create();
  map.set(key, created);
  return created;
}
