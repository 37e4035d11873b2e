import { createHash, hash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import type { EntryOutcome } from "../jobs/advance/outcome.ts";
import type { StagePlan, StepPlan } from "../jobs/plan.ts";
import type { OutputRow } from "../outputs/record.ts";
import { MAX_WHOLE_BYTES, type FileManifest } from "../outputs/content.ts";
import type { KeptOutput } from "../processors/stage-run.ts";
import type { ClaimedTask, Entry } from "../queue/task.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { StoredFile } from "../record/files.ts";
import type { ContentPlace } from "../storage/write-content.ts";
import { generatedFile } from "./generated-files.ts";
import { inParallel } from "./in-parallel.ts";
import type { PlacedResult, StoredOutput } from "./stored-results.ts";

/** What a task's results become once their bytes are durable; nothing of it is visible yet. */
export interface Kept {
  readonly results: readonly EntryOutcome[];
  readonly files: readonly StoredFile[];
  readonly outputs: readonly OutputRow[];
}

export interface KeepOptions {
  readonly contents: ContentStore;
  readonly task: ClaimedTask;
  readonly stage: StagePlan;
  readonly signal: AbortSignal;
}

/**
 * Stores the outputs of a task durably, under keys that hold its epoch, so that two holders of one task never write the
 * same object. The content of an earlier result is stored again: so every file has bytes of its own, and deleting,
 * moving or erasing one never has to ask who else lives on them.
 * When it rejects (StorageError, ResultGone, or the signal's reason), everything it had stored is deleted again.
 */
export async function keepOutputs(options: KeepOptions, results: readonly PlacedResult[]): Promise<Kept> {
  const emitted = results.map(({ entry, result }) => (result.ok ? result.outputs.map((kept) => outputOf(options, kept, entry)) : []));
  const stored = await storeAll(options, emitted.flat());
  const parts = new Map<string, number>();
  const outputs: OutputRow[] = [];
  const outcomes = results.map(({ result }, index): EntryOutcome => {
    if (!result.ok) return { ok: false, failure: result.failure, step: result.step };
    const told = (emitted[index] ?? []).map((output) => {
      const { step, kept, entry } = output;
      const fileId = idOf(stored.get(output));
      outputs.push(rowOf(options, { step, fileId, entry, parts, reusedFrom: reusedFrom(kept) }));
      return { step: step.name, fileId, sizeBytes: kept.sizeBytes };
    });
    return { ok: true, outputs: told };
  });
  return { results: outcomes, files: [...stored.values()].filter((file) => typeof file !== "string"), outputs };
}

/** Several at a time: of files that are objects each waits for the disk, which makes many durable in the time of one. */
async function storeAll(options: KeepOptions, outputs: readonly Output[]): Promise<Map<Output, StoredFile | string>> {
  const stored = new Map<Output, StoredFile | string>();
  const works = outputs.map((output) => async (signal: AbortSignal) => {
    stored.set(output, await fileOf({ ...options, signal }, output));
  });
  try {
    await inParallel(works, options.signal);
  } catch (error) {
    const files = [...stored.values()].filter((file) => typeof file !== "string");
    await Promise.all(files.map((file) => options.contents.discard(file.content)));
    throw error;
  }
  return stored;
}

function outputOf({ stage }: KeepOptions, kept: Output["kept"], entry: Entry | undefined): Output {
  return { kept, step: stepOf(stage, kept.step), entry };
}

function idOf(file: StoredFile | string | undefined): string {
  if (file === undefined) throw new RangeError("an output was neither stored nor handed on");
  return typeof file === "string" ? file : file.id;
}

/**
 * Deletes the objects of files that the database refused to record. Looks first, since only a row tells for sure. Never
 * rejects: without a row they are found by garbage collection.
 */
export async function discardKept(
  { database, contents }: { database: Database; contents: ContentStore },
  files: readonly StoredFile[],
): Promise<void> {
  try {
    const ids = files.map((file) => file.id);
    const rows = await database.asSystem((transaction) =>
      transaction.query<{ id: string }>(sql`SELECT id FROM files WHERE id = ANY(${ids}::uuid[])`),
    );
    const recorded = new Set(rows.map((row) => row.id));
    await Promise.all(files.filter(({ id }) => !recorded.has(id)).map(({ content }) => contents.discard(content)));
  } catch {
    return;
  }
}

/** An earlier result can't be read any more: the steps have to run after all. */
export class ResultGone extends Error {
  constructor(fileId: string, cause: unknown) {
    super(`the content of file ${fileId}, which an earlier run left, can't be read`, { cause });
    this.name = "ResultGone";
  }
}

interface Output {
  readonly kept: KeptOutput | StoredOutput;
  readonly step: StepPlan;
  readonly entry: Entry | undefined;
}

/** A new stored file; or, where the processor handed a stored input on, the id of that input. */
async function fileOf(options: KeepOptions, output: Output): Promise<StoredFile | string> {
  const { task, contents, signal } = options;
  const { kept, step } = output;
  const passed = passedEntry(task, output);
  const generated = passed && generatedFile(passed.fileId);
  if (passed && !generated) return passed.fileId;
  const id = uuidv7();
  const place = { tenantId: task.tenantId, fileId: id, epoch: task.epoch, signal };
  const whole = generated?.generated ?? wholeContent(kept);
  const { content, sha256 } = whole
    ? { content: await contents.writeWhole(whole, place), sha256: hash("sha256", whole, "buffer") }
    : await storeStream(options, contentOf(options, kept), place);
  if ("stored" in kept.content && !sha256.equals(kept.content.stored.sha256)) {
    await contents.discard(content);
    throw new ResultGone(kept.content.stored.id, "its digest is not what was stored");
  }
  return {
    id,
    tenantId: task.tenantId,
    name: kept.name,
    sizeBytes: kept.sizeBytes,
    sha256,
    mediaType: kept.mediaType,
    origin: isKept(task, step) ? "output" : "intermediate",
    jobId: task.jobId,
    step: step.name,
    metadata: {},
    content,
  };
}

/** What a host has made, where it is small (as outputs/content.ts has it): read at once, as it lies in the page cache. */
function wholeContent({ content, sizeBytes }: Output["kept"]): Buffer | undefined {
  return "path" in content && sizeBytes <= MAX_WHOLE_BYTES ? readFileSync(content.path) : undefined;
}

async function storeStream({ contents }: KeepOptions, source: AsyncIterable<Buffer>, place: ContentPlace) {
  const digest = createHash("sha256");
  return { content: await contents.write(hashed(source, digest), place), sha256: digest.digest() };
}

function passedEntry(task: ClaimedTask, { kept: { content }, step, entry }: Output): Entry | undefined {
  if ("handedOn" in content) return content.handedOn;
  if (!("passedEntry" in content)) return undefined;
  const passed = entry ?? task.entries[content.passedEntry];
  if (!passed) throw new RangeError(`step "${step.name}" passed on entry ${content.passedEntry}, which task ${task.id} does not have`);
  return passed;
}

function contentOf(options: KeepOptions, { content }: Output["kept"]): AsyncIterable<Buffer> {
  if ("stored" in content) return readAgain(options, content.stored);
  if ("path" in content) return createReadStream(content.path, { signal: options.signal });
  throw new RangeError("an input that was handed on has no content of its own");
}

async function* readAgain({ contents, signal }: KeepOptions, file: FileManifest): AsyncGenerator<Buffer> {
  try {
    yield* (await contents.read(file, { signal })) as AsyncIterable<Buffer>;
  } catch (error) {
    const isGone = error instanceof StorageError && (error.code === "not_found" || error.code === "damaged");
    throw isGone ? new ResultGone(file.id, error) : error;
  }
}

function reusedFrom({ content }: Output["kept"]): string | null {
  if ("stored" in content) return content.stored.id;
  return "handedOn" in content && !generatedFile(content.handedOn.fileId) ? content.handedOn.fileId : null;
}

async function* hashed(content: AsyncIterable<Buffer>, digest: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    digest.update(chunk);
    yield chunk;
  }
}

function rowOf(
  { task }: KeepOptions,
  made: { step: StepPlan; fileId: string; entry: Entry | undefined; parts: Map<string, number>; reusedFrom: string | null },
): OutputRow {
  const { step, entry } = made;
  const ordinal = entry?.ordinal ?? task.tree?.node ?? 0;
  const key = `${ordinal}/${step.name}`;
  const part = made.parts.get(key) ?? task.tree?.level ?? 0;
  made.parts.set(key, part + 1);
  return {
    jobId: task.jobId,
    ordinal,
    step: step.name,
    part,
    tenantId: task.tenantId,
    taskId: task.id,
    epoch: task.epoch,
    fileId: made.fileId,
    processor: step.use,
    processorVersion: step.version,
    kept: isKept(task, step),
    // A reduce's inputs stand in task_inputs once, not once an output.
    inputs: entry ? [entry.fileId] : [],
    reusedFrom: made.reusedFrom,
  };
}

/** Of a reduction tree only the root's output is the step's. */
export function isKept(task: ClaimedTask, step: StepPlan): boolean {
  return step.output && task.tree?.root !== false;
}

function stepOf(stage: StagePlan, name: string): StepPlan {
  const step = stage.steps.find((candidate) => candidate.name === name);
  if (!step) throw new RangeError(`a step host answered for step "${name}", which stage ${stage.no} does not have`);
  return step;
}
