import { open } from "node:fs/promises";
import { BadInput, type InputFile } from "../processor.ts";

/** JSON 100,000 deep overflows the stack of DuckDB's parser and ends the process; tables are a handful deep. */
const MAX_DEPTH = 500;
const READ_BYTES = 256 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Walks over a JSON or NDJSON file and refuses brackets nested deeper than 500: BadInput `corrupt`. Looks at brackets
 * and strings only; whether it is JSON at all is for the parser to say.
 */
export async function checkJsonDepth(input: InputFile, signal: AbortSignal): Promise<void> {
  if (input.mediaType !== "application/json" && input.mediaType !== "application/x-ndjson") return;
  const file = await open(input.path);
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let state = { depth: 0, inString: false, escaped: false };
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      state = walk(buffer.subarray(0, bytesRead), state);
      if (state.depth > MAX_DEPTH)
        throw new BadInput("corrupt", `"${input.name}" is no table: it is nested deeper than ${MAX_DEPTH} levels.`);
      signal.throwIfAborted();
    }
  } finally {
    await file.close();
  }
}

interface WalkState {
  readonly depth: number;
  readonly inString: boolean;
  readonly escaped: boolean;
}

/** Ends early, with the depth it met, above the limit. */
function walk(bytes: Buffer, from: WalkState): WalkState {
  let { depth, inString, escaped } = from;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (inString) {
      if (escaped) escaped = false;
      else if (byte === BACKSLASH) escaped = true;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) break;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth > 0) depth--;
    }
  }
  return { depth, inString, escaped };
}
