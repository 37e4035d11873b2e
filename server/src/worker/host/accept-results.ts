import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Failure } from "../../errors.ts";
import type { EntryResult, KeptOutput, StageRun } from "../../processors/stage-run.ts";
import { cleanMediaType, cleanName, cleanText } from "./clean-text.ts";
import { MAX_MESSAGE_CHARACTERS } from "./failure.ts";

/**
 * Checks what a host claims to have done and answers it with the paths of the worker's view. The host may have been
 * taken over by a hostile input, so nothing that it says is believed: an output is a regular file directly in the task's folder,
 * of the size that was told, belongs to a step that is kept, and a passed entry is one of this task; texts can be recorded.
 *
 * Called when the folder was moved out of the host's reach, so that what is checked cannot be swapped afterwards.
 * Throws an Error that names the lie.
 */
export function acceptResults(run: StageRun, results: readonly EntryResult[], insideTask: string): readonly EntryResult[] {
  const expected = run.kind === "map" ? run.entries.length : 1;
  if (results.length !== expected) throw new Error(`${results.length} results for ${expected} entries`);
  const names = new Set(run.steps.map((step) => step.name));
  const kept = new Set(run.steps.filter((step) => step.keep).map((step) => step.name));
  return results.map((result, index) => {
    if (!result.ok) return { ...result, step: known(result.step), failure: acceptFailure(result.failure) };
    return { ...result, outputs: result.outputs.map((output) => acceptOutput(output, index)) };
  });

  function known(step: string): string {
    if (!names.has(step)) throw new Error("a failure of a step that the task does not have");
    return step;
  }

  function acceptOutput(told: KeptOutput, index: number): KeptOutput {
    const output = { ...told, name: cleanName(told.name), mediaType: cleanMediaType(told.mediaType) };
    if (!kept.has(output.step)) throw new Error("an output of a step that keeps none");
    if ("passedEntry" in output.content) {
      const { passedEntry } = output.content;
      if (passedEntry >= run.entries.length || (run.kind === "map" && passedEntry !== index))
        throw new Error(`entry ${passedEntry} passed on`);
      return output;
    }
    const { path } = output.content;
    const name = basename(path);
    if (dirname(path) !== insideTask || name === ".." || name === ".") throw new Error("an output outside the task's folder");
    const outside = join(run.scratch, name);
    const stat = lstatSync(outside, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.nlink !== 1) throw new Error("an output that is not a regular file");
    if (stat.size !== output.sizeBytes) throw new Error(`an output of ${stat.size} bytes that was told as ${output.sizeBytes}`);
    return { ...output, content: { path: outside } };
  }
}

function acceptFailure(failure: Failure): Failure {
  return { ...failure, message: cleanText(failure.message, 2 * MAX_MESSAGE_CHARACTERS) || "no reason was given" };
}
