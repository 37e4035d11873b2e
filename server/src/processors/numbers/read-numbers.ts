import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { InputFile } from "../processor.ts";
import { createNumberScanner, type NumberSink } from "./number-scanner.ts";

const READ_BYTES = 256 * 1_024;
/** Chunks between two looks at the signal, which can't be aborted while we read. */
const CHUNKS_A_TURN = 16;

/**
 * Gives a file's numbers, from its byte `from` on, to `sink`. Rejects BadInput `corrupt`, or the signal's reason. Reads
 * without awaiting: of a thousand files of 29 KB, the awaits took longer than the numbers.
 */
export async function readNumbers(
  input: Pick<InputFile, "path" | "name">,
  sink: NumberSink,
  { signal, from = 0 }: { readonly signal: AbortSignal; readonly from?: number },
): Promise<void> {
  const scanner = createNumberScanner(input.name, sink);
  const file = openSync(input.path, "r");
  try {
    let position = from;
    for (let chunks = 1; ; chunks++) {
      const bytes = readSync(file, buffer, 0, READ_BYTES, position);
      if (bytes === 0) break;
      scanner.scan(buffer.subarray(0, bytes));
      position += bytes;
      if (chunks % CHUNKS_A_TURN === 0) await turn();
      signal.throwIfAborted();
    }
    scanner.end();
  } finally {
    closeSync(file);
  }
}

/** One for all calls: a host runs one step at a time, and bytes are scanned before anything is awaited. */
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
