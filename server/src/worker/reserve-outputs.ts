import { Problem } from "../errors.ts";
import type { StagePlan } from "../jobs/plan.ts";
import type { EntryResult } from "../processors/stage-run.ts";
import type { ClaimedTask, Entry } from "../queue/task.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";
import type { Amount } from "../tenants/usage.ts";
import { isKept } from "./keep-outputs.ts";

export interface OutputsToReserve {
  readonly task: ClaimedTask;
  readonly stage: StagePlan;
  /** The entry behind a result. */
  readonly entryAt: (result: number) => Entry | undefined;
}

/**
 * Reserves room for what a task is about to store: in one round where all of it fits, else result by result. What does
 * not fit ends its item with `limit_exceeded`, for good: another try would not fit either. Throws database errors.
 */
export async function reserveOutputs(
  reservation: Reservation,
  outputs: OutputsToReserve,
  results: readonly EntryResult[],
): Promise<readonly EntryResult[]> {
  const amounts = results.map((result, index) => amountOf(outputs, result, index));
  const total = amounts.reduce((sum, { bytes, files }) => ({ bytes: sum.bytes + bytes, files: sum.files + files }), NOTHING);
  if (total.files === 0 || (await fits(() => reservation.expect(total))) === undefined) return results;
  const fitting: EntryResult[] = [];
  let room = NOTHING;
  for (const [index, result] of results.entries()) {
    const { bytes, files } = amounts[index] ?? NOTHING;
    const wanted = { bytes: room.bytes + bytes, files: room.files + files };
    const refused = files === 0 ? undefined : await fits(() => reservation.expect(wanted));
    if (refused === undefined) {
      room = wanted;
      fitting.push(result);
    } else fitting.push(tooMuch(outputs.stage, refused));
  }
  return fitting;
}

const NOTHING: Amount = { bytes: 0, files: 0 };

/** Kept files count, and files of earlier stages that a step hands on as its output, as these become kept ones. */
function amountOf({ task, stage, entryAt }: OutputsToReserve, result: EntryResult, index: number): Amount {
  if (!result.ok) return NOTHING;
  const counted = result.outputs.filter(({ step: name, content }) => {
    const step = stage.steps.find((candidate) => candidate.name === name);
    if (step === undefined || !isKept(task, step)) return false;
    if (!("passedEntry" in content)) return true;
    const entry = task.kind === "map" ? entryAt(index) : task.entries[content.passedEntry];
    return entry !== undefined && entry.from !== "";
  });
  return { bytes: counted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), files: counted.length };
}

/** Undefined, or the refusal. */
async function fits(reserve: () => Promise<void>): Promise<Problem | undefined> {
  try {
    await reserve();
    return undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === "quota_exceeded") return error;
    throw error;
  }
}

function tooMuch(stage: StagePlan, refused: Problem): EntryResult {
  const failure = { class: "bad_input" as const, code: "limit_exceeded" as const, message: refused.message };
  return { ok: false, failure, step: stage.steps.find(({ output }) => output)?.name ?? "" };
}
