import { Problem, type Failure } from "../errors.ts";
import type { StagePlan } from "../jobs/plan.ts";
import type { ClaimedTask, Entry } from "../queue/task.ts";
import { generatedInput } from "../record/generated-id.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";
import type { Amount } from "../tenants/usage.ts";
import { isKept } from "./keep-outputs.ts";

/** What is known of a result before it is stored; whoever runs tasks knows more. */
interface Emitting {
  /** undefined for a reduce. */
  readonly entry: Entry | undefined;
  readonly result:
    | { readonly ok: true; readonly outputs: readonly { readonly step: string; readonly sizeBytes: number; readonly content: object }[] }
    | FailedResult;
}

interface FailedResult {
  readonly ok: false;
  readonly failure: Failure;
  readonly step: string;
}

/**
 * Reserves room for what a task is about to store: in one round where all of it fits, else result by result. What does
 * not fit ends its item with `limit_exceeded`, for good: another try would not fit either. Throws database errors.
 */
export async function reserveOutputs<Result extends Emitting>(
  reservation: Reservation,
  stored: { readonly task: ClaimedTask; readonly stage: StagePlan },
  results: readonly Result[],
): Promise<(Omit<Result, "result"> & { readonly result: Result["result"] | FailedResult })[]> {
  const amounts = results.map((result) => amountOf(stored, result));
  const total = amounts.reduce(plus, NOTHING);
  if (total.files === 0 || (await refusalOf(reservation, total)) === undefined) return [...results];
  const fitting = [];
  let room = NOTHING;
  for (const [index, result] of results.entries()) {
    const amount = amounts[index] ?? NOTHING;
    const refusal = amount.files === 0 ? undefined : await refusalOf(reservation, plus(room, amount));
    if (refusal === undefined) room = plus(room, amount);
    fitting.push(refusal === undefined ? result : { ...result, result: tooMuch(stored.stage, refusal) });
  }
  return fitting;
}

/** What was reserved by that, at most. */
export function amountOfAll(stored: { readonly task: ClaimedTask; readonly stage: StagePlan }, results: readonly Emitting[]): Amount {
  return results.map((result) => amountOf(stored, result)).reduce(plus, NOTHING);
}

const NOTHING: Amount = { bytes: 0, files: 0 };

function plus(one: Amount, other: Amount): Amount {
  return { bytes: one.bytes + other.bytes, files: one.files + other.files };
}

/** Kept files count, and what a step hands on as its output where that becomes kept by it: files of earlier stages, generated inputs. */
function amountOf({ task, stage }: { task: ClaimedTask; stage: StagePlan }, { entry, result }: Emitting): Amount {
  if (!result.ok) return NOTHING;
  const counted = result.outputs.filter(({ step: name, content }) => {
    const step = stage.steps.find((candidate) => candidate.name === name);
    if (step === undefined || !isKept(task, step)) return false;
    if (!("passedEntry" in content || "handedOn" in content)) return true;
    const passed = entry ?? ("passedEntry" in content ? task.entries[Number(content.passedEntry)] : undefined);
    return passed !== undefined && (passed.from !== "" || generatedInput(passed.fileId) !== undefined);
  });
  return { bytes: counted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), files: counted.length };
}

async function refusalOf(reservation: Reservation, total: Amount): Promise<Problem | undefined> {
  try {
    await reservation.expect(total);
    return undefined;
  } catch (error) {
    if (error instanceof Problem && error.code === "quota_exceeded") return error;
    throw error;
  }
}

function tooMuch(stage: StagePlan, refusal: Problem): FailedResult {
  const failure = { class: "bad_input", code: "limit_exceeded", message: refusal.message } as const;
  return { ok: false, failure, step: stage.steps.find(({ output }) => output)?.name ?? "" };
}
