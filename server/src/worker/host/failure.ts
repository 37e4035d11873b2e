import type { Failure } from "../../errors.ts";
import { BadInput } from "../../processors/processor.ts";
import { cleanText } from "./clean-text.ts";

/** What an honest host sends; the worker takes no more from any. */
export const MAX_MESSAGE_CHARACTERS = 300;

/**
 * Puts what a processor threw into a failure class. The message is for users: first line only, no stack, and without
 * the host's own folder, which means nothing to them.
 *
 * A scratch disk that others have filled is `infrastructure`: another worker, or this one later, may well succeed, and the item is not to
 * blame. The item code is then `lost`, the only code of the wire format that accuses nobody.
 */
export function toFailure(error: unknown, call: { step: string; use: string; scratch: string }): Failure {
  const where = `Step "${call.step}" (${call.use})`;
  const text = firstLine(error, call.scratch);
  if (error instanceof OwnDiskUse) return { class: "resource_exhausted", code: "resource_exhausted", message: `${where} ${error.message}` };
  if (error instanceof BadInput) return { class: "bad_input", code: error.code, message: text };
  switch (errorCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return { class: "infrastructure", code: "lost", message: `${where} found no space left for scratch files.` };
    // Writing past RLIMIT_FSIZE.
    case "EFBIG":
      return { class: "bad_input", code: "limit_exceeded", message: `${where} wrote a file larger than a step host may.` };
    case "ENOMEM":
      return outOfMemory(where);
  }
  // V8 words it "Array buffer allocation failed", "Invalid typed array length" is a plain defect.
  if (error instanceof RangeError && error.message.includes("allocation failed")) return outOfMemory(where);
  return { class: "crashed", code: "crashed", message: `${where} failed: ${text}` };
}

/** The scratch disk is full, and the task itself has written more to it than its steps may. */
export class OwnDiskUse extends Error {
  constructor(options: { usedBytes: number; limitBytes: number; cause: unknown }) {
    super(`filled the scratch disk: the task wrote ${options.usedBytes} bytes, its limit is ${options.limitBytes}.`, {
      cause: options.cause,
    });
  }
}

export function isDiskFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(String(errorCode(error)));
}

export function timedOut(step: string, timeoutMs: number): Failure {
  return { class: "timeout", code: "timeout", message: `Step "${step}" was not done after its limit of ${timeoutMs / 1000} s.` };
}

function outOfMemory(where: string): Failure {
  return { class: "resource_exhausted", code: "resource_exhausted", message: `${where} ran out of memory.` };
}

function firstLine(error: unknown, scratch: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = message.replaceAll(`${scratch}/`, "").split("\n", 1)[0] ?? "";
  return cleanText(line, MAX_MESSAGE_CHARACTERS) || "no reason was given";
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
