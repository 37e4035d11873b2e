import { lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceptsMediaType, BadInput, type InputFile, type Processor } from "../../src/processors/processor.ts";

/** An input by its content, or by the path of a file that is there already. */
export interface GivenInput {
  readonly name: string;
  readonly mediaType: string;
  readonly content?: string | Uint8Array;
  readonly path?: string;
}

export interface MadeOutput {
  readonly name: string;
  readonly mediaType: string;
  readonly path: string;
  /** The index of the input that was handed on, where none was written. */
  readonly passed: number | undefined;
  bytes(): Promise<Buffer>;
  text(): Promise<string>;
}

export interface ProcessorRun extends AsyncDisposable {
  readonly outputs: readonly MadeOutput[];
  readonly progress: readonly number[];
  /** The first output; throws where there is none. */
  readonly only: MadeOutput;
}

interface GivenRun {
  readonly with?: Record<string, unknown>;
  readonly inputs: readonly GivenInput[];
  readonly signal?: AbortSignal;
  /** False for a node of a tree that is not the last. */
  readonly isRoot?: boolean;
}

/**
 * Runs a processor as a step host does: parameters through its schema, inputs by media type, outputs as regular files
 * in a folder of their own. Dispose of the result to delete the folder; a run that rejects leaves nothing behind.
 */
export async function runProcessor(processor: Processor, given: GivenRun): Promise<ProcessorRun> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-run-"));
  try {
    const outputs = await runIn(folder, processor, given);
    return outputs;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The BadInput a run ends with; throws where it ends otherwise. */
export async function badInput(run: Promise<ProcessorRun>): Promise<BadInput> {
  try {
    await using _ = await run;
  } catch (error) {
    if (error instanceof BadInput) return error;
    throw error;
  }
  throw new Error("The run succeeded where a BadInput was expected.");
}

async function runIn(folder: string, processor: Processor, given: GivenRun): Promise<ProcessorRun> {
  await mkdir(join(folder, "in"));
  await mkdir(join(folder, "out"));
  const inputs: InputFile[] = [];
  for (const [index, input] of given.inputs.entries()) inputs.push(await layDown(join(folder, "in", String(index)), processor, input));
  const outputs: MadeOutput[] = [];
  const progress: number[] = [];
  const made = (file: { name: string; mediaType: string; path: string; passed: number | undefined }): void => {
    outputs.push({ ...file, bytes: () => readFile(file.path), text: () => readFile(file.path, "utf8") });
  };
  await processor.run({
    params: processor.params.parse(given.with ?? {}),
    inputs,
    isRoot: given.isRoot ?? true,
    signal: given.signal ?? AbortSignal.timeout(60_000),
    output(file) {
      const path = join(folder, "out", String(outputs.length));
      made({ ...file, path, passed: undefined });
      return path;
    },
    pass: (input) => made({ name: input.name, mediaType: input.mediaType, path: input.path, passed: inputs.indexOf(input) }),
    progress: (fraction) => void progress.push(fraction),
  });
  for (const output of outputs) {
    if (!(await lstat(output.path)).isFile())
      throw new Error(`${processor.name} left "${output.name}" as something other than a regular file.`);
  }
  return {
    outputs,
    progress,
    get only() {
      const [first] = outputs;
      if (!first) throw new Error(`${processor.name} made no output.`);
      return first;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function layDown(path: string, processor: Processor, input: GivenInput): Promise<InputFile> {
  if (!acceptsMediaType(processor.accepts, input.mediaType)) {
    throw new BadInput("type_mismatch", `${processor.name} does not take ${input.mediaType}.`);
  }
  if (input.path === undefined) await writeFile(path, input.content ?? "");
  const at = input.path ?? path;
  return { path: at, name: input.name, sizeBytes: (await lstat(at)).size, mediaType: input.mediaType };
}
