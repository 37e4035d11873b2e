import { lstatSync, rmSync } from "node:fs";
import { BadInput, acceptsMediaType, type InputFile, type Processor } from "../../processors/processor.ts";
import type { StageRunStep } from "../../processors/stage-run.ts";
import type { CallWatch } from "./call-watch.ts";
import { isDiskFull, OwnDiskUse } from "./failure.ts";

/** A file on its way through a stage. `entry` is set while it is still, byte for byte, an entry of the task. */
export interface StageFile extends InputFile {
  readonly entry?: number;
}

export interface Call {
  readonly processor: Processor;
  readonly step: StageRunStep;
  /** Parsed by the processor's schema. */
  readonly params: unknown;
  readonly inputs: readonly StageFile[];
  readonly isRoot: boolean;
  /** A fresh absolute path in scratch. */
  readonly newPath: () => string;
  /** Bytes that the task has written to scratch and not deleted, and what all its steps may write. */
  readonly diskUse: () => { readonly usedBytes: number; readonly limitBytes: number };
  readonly watch: CallWatch;
}

/**
 * Runs a processor once and answers the files it emitted or passed on, in the order in which it named them.
 *
 * Throws BadInput for an input of the wrong type and for outputs over the limits, CallTimeout at the step's time limit,
 * OwnDiskUse where the task itself filled the disk, and whatever the processor throws. A processor that ignores its signal is not waited for here: the worker kills the host.
 */
export async function callProcessor(call: Call): Promise<readonly StageFile[]> {
  for (const input of call.inputs) refuseWrongType(call, input);
  const emitted: Emitted[] = [];
  let reserved = 0;
  const abort = new AbortController();
  call.watch.begin({
    timeoutMs: call.step.timeoutMs,
    check: () => refuseTooManyBytes(call, emitted),
    abort: (reason) => abort.abort(reason),
  });
  try {
    await call.processor.run({
      params: call.params,
      inputs: call.inputs,
      isRoot: call.isRoot,
      signal: abort.signal,
      output: ({ name, mediaType }) => {
        reserved += 1;
        if (reserved > call.processor.limits.outputFiles) throw tooManyFiles(call);
        const path = call.newPath();
        emitted.push({ isNew: true, file: { path, name, mediaType, sizeBytes: 0 } });
        return path;
      },
      pass: (input) => {
        const file = call.inputs.find((candidate) => candidate === input || candidate.path === input.path);
        if (!file) throw new Error("it passed on a file that is not one of its inputs");
        emitted.push({ isNew: false, file });
      },
      progress: () => {},
    });
    // A call that ended late but well is late all the same, or the same file would pass or fail by chance.
    abort.signal.throwIfAborted();
    return measure(call, emitted);
  } catch (error) {
    const own = isDiskFull(error) ? call.diskUse() : undefined;
    for (const { isNew, file } of emitted) if (isNew) rmSync(file.path, { force: true, recursive: true });
    if (own && own.usedBytes > own.limitBytes) throw new OwnDiskUse({ ...own, cause: error });
    // What was thrown because of our abort is told by the abort's reason, not in the words of some library.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    call.watch.end();
  }
}

function refuseWrongType(call: Call, input: StageFile): void {
  if (acceptsMediaType(call.processor.accepts, input.mediaType)) return;
  const accepted = call.processor.accepts.join(", ");
  throw new BadInput("type_mismatch", `"${input.name}" is ${input.mediaType}; step "${call.step.name}" takes ${accepted}.`);
}

interface Emitted {
  readonly isNew: boolean;
  readonly file: StageFile;
}

function measure(call: Call, emitted: readonly Emitted[]): readonly StageFile[] {
  if (call.processor.emits === "one" && emitted.length > 1) {
    throw new Error(`it emitted ${emitted.length} files but is declared to emit one`);
  }
  let total = 0;
  const files = emitted.map(({ isNew, file }) => {
    if (!isNew) return file;
    const sizeBytes = regularFileSize(file.path);
    total += sizeBytes;
    return { ...file, sizeBytes };
  });
  if (total > call.step.outputBytes) throw tooManyBytes(call);
  return files;
}

/**
 * A link would let a processor hand out any file that the worker can read, and a fifo would hang the worker. A second
 * name (nlink > 1) means that the content can still change, or is somebody else's.
 */
function regularFileSize(path: string): number {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) throw new Error("it reserved an output and did not write it");
  if (!stat.isFile() || stat.nlink !== 1) throw new Error("an output is not a regular file of its own");
  return stat.size;
}

function refuseTooManyBytes(call: Call, emitted: readonly Emitted[]): void {
  let total = 0;
  for (const { isNew, file } of emitted) if (isNew) total += lstatSync(file.path, { throwIfNoEntry: false })?.size ?? 0;
  if (total > call.step.outputBytes) throw tooManyBytes(call);
}

function tooManyBytes(call: Call): BadInput {
  return new BadInput("limit_exceeded", `Step "${call.step.name}" wrote more than its limit of ${call.step.outputBytes} bytes.`);
}

function tooManyFiles(call: Call): BadInput {
  return new BadInput("limit_exceeded", `Step "${call.step.name}" emitted more than ${call.processor.limits.outputFiles} files.`);
}
