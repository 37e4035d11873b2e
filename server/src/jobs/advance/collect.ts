import type { Plan } from "../plan.ts";
import type { Decision } from "./decide.ts";
import { deliver, deltaOf, entryOf, newAdvance, type JobAdvance } from "./deliveries.ts";

export interface Decided {
  readonly decision: Decision;
  readonly plan: Plan;
}

/** Adds up, job by job, what a batch of decisions changes and where their outputs go next. */
export function collect(decided: readonly Decided[]): JobAdvance[] {
  const advances = new Map<string, JobAdvance>();
  for (const { decision, plan } of decided) {
    const { jobId, tenantId, priority } = decision.task;
    const advance = entryOf(advances, jobId, () => newAdvance({ jobId, tenantId, priority, plan }));
    count(advance, decision);
    if (decision.task.kind === "map") passOn(advance, decision);
    else passUp(advance, decision);
  }
  return [...advances.values()];
}

function count(advance: JobAdvance, { task, self, ended, moved }: Decision): void {
  const delta = deltaOf(advance, task.stage);
  if (self.type === "succeeded" || self.type === "dead") delta.openTasks -= 1;
  if (self.type === "dead" && task.kind !== "map") delta.deadTasks += 1;
  for (const { status } of ended) delta[status] += 1;
  for (const sibling of moved) {
    if (sibling.state?.type === "dead") delta.dead += 1;
    else delta.openTasks += 1;
  }
}

/** Outputs of map entries; a step that gave nothing for an entry still tells an eager tree so. */
function passOn(advance: JobAdvance, { task, succeeded, ended }: Decision): void {
  const steps = advance.plan.stages[task.stage]?.steps ?? [];
  const delta = deltaOf(advance, task.stage);
  for (const { entry, outputs } of succeeded) {
    let movedOn = false;
    for (const step of steps) {
      if (step.feeds.length === 0) continue;
      movedOn =
        deliver(
          advance,
          step,
          entry,
          outputs.filter((output) => output.step === step.name),
        ) || movedOn;
    }
    if (movedOn) delta.moved += 1;
    else delta.succeeded += 1;
  }
  for (const { entry, status } of ended) {
    if (status === "skipped") for (const step of steps) deliver(advance, step, entry, []);
  }
}

function passUp(advance: JobAdvance, { task, succeeded }: Decision): void {
  const step = advance.plan.stages[task.stage]?.steps[0];
  if (!step) return;
  for (const { outputs } of succeeded) {
    const fileId = outputs[0]?.fileId;
    if (task.tree && !task.tree.root) {
      const arrival = { level: task.tree.level + 1, slot: task.tree.node, fileId };
      entryOf(advance.tree, task.stage, () => []).push(arrival);
    } else deliver(advance, step, undefined, outputs);
  }
}
