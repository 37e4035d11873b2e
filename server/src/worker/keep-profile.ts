import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Logger } from "pino";
import { v7 as uuidv7 } from "uuid";
import { PROFILE_STEP } from "@filemill/contract/profiles.ts";
import type { RecordedProfile } from "../processors/stage-run.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";
import type { Amount } from "../tenants/usage.ts";
import type { Kept } from "./keep-outputs.ts";

export interface ProfileToKeep {
  readonly profile: RecordedProfile | undefined;
  readonly task: ClaimedTask;
  /** Room for the task's outputs; the profile's is asked for beside it. */
  readonly reservation: Reservation;
  /** What is reserved for them. */
  readonly reserved: Amount;
  readonly signal: AbortSignal;
}

/**
 * The task's outputs with its profile among the files. Its row says that it is no output of the pipeline (`kept` is false),
 * so that no list of outputs has it, while its file is the tenant's: counted, listed, kept until somebody deletes it.
 * Whatever is in its way costs the profile, never the task.
 */
export async function withKeptProfile(
  services: { readonly contents: ContentStore; readonly log: Logger },
  kept: Kept,
  { profile, task, reservation, reserved, signal }: ProfileToKeep,
): Promise<Kept> {
  if (!profile) return kept;
  const { tenantId, jobId } = task;
  try {
    await reservation.expect({ bytes: reserved.bytes + profile.sizeBytes, files: reserved.files + 1 });
    const id = uuidv7();
    const hash = createHash("sha256");
    const content = await services.contents.write(hashed(profile.path, hash, signal), { tenantId, fileId: id, epoch: task.epoch, signal });
    const file = {
      id,
      tenantId,
      name: `${task.kind}-${task.stage}-${placeOf(task).join("-")}.cpuprofile`,
      sizeBytes: profile.sizeBytes,
      sha256: hash.digest(),
      mediaType: "application/json",
      origin: "output",
      jobId,
      step: PROFILE_STEP,
      metadata: { wall_ms: profile.wallMs.toFixed(1), cpu_ms: profile.cpuMs.toFixed(1), cut: String(profile.isCut) },
      content,
    } as const;
    const [ordinal, part] = placeOf(task);
    const row = {
      ...{ jobId, tenantId, ordinal, part, step: PROFILE_STEP, taskId: task.id, epoch: task.epoch, fileId: id },
      ...{ processor: "profile", processorVersion: "1", kept: false, inputs: [], reusedFrom: null },
    };
    return { ...kept, files: [...kept.files, file], outputs: [...kept.outputs, row] };
  } catch (err) {
    services.log.warn({ err, taskId: task.id }, "the profile of a task could not be kept");
    return kept;
  }
}

async function* hashed(path: string, hash: ReturnType<typeof createHash>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Ordinal and part: the first item of a batch, or the node and level of a tree. */
function placeOf({ entries, tree }: ClaimedTask): readonly [number, number] {
  return [tree?.node ?? Math.max(0, entries[0]?.ordinal ?? 0), tree?.level ?? 0];
}
