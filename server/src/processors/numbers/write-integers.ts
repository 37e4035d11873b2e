import { closeSync, openSync, writeSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";

const WRITE_BYTES = 256 * 1_024;
/** A sign, 16 digits, a separator. */
const LONGEST = 18;
const SPACE = 0x20;
const ZERO = 0x30;
/** Numbers written digit by digit; above, String() is as quick. */
const FAST = 1_000_000_000;

/** Numbers drawn at a time. */
const BATCH = 4_096;

/**
 * Writes `count` integers on one line, with spaces between them: `min` and what `fill` gives. The digits go straight into the
 * buffer and never through strings. Rejects the signal's reason.
 */
export async function writeIntegers(
  path: string,
  integers: { readonly count: number; readonly min: number; readonly fill: (into: Float64Array) => void },
  signal: AbortSignal,
): Promise<void> {
  const { count, min, fill } = integers;
  const file = openSync(path, "wx");
  try {
    let end = 0;
    for (let start = 0; start < count; start += BATCH) {
      if (end > WRITE_BYTES - BATCH * LONGEST) {
        writeSync(file, buffer, 0, end);
        end = 0;
        await turn();
        signal.throwIfAborted();
      }
      const batch = drawn.subarray(0, Math.min(BATCH, count - start));
      fill(batch);
      for (let place = 0; place < batch.length; place++) {
        end = put(min + (batch[place] ?? 0), end);
        buffer[end++] = SPACE;
      }
    }
    buffer[end - 1] = 0x0a;
    writeSync(file, buffer, 0, end);
  } finally {
    closeSync(file);
  }
}

const drawn = new Float64Array(BATCH);
/** One for all calls: a host runs one step at a time, and before each await the bytes are written. */
const buffer = Buffer.allocUnsafeSlow(WRITE_BYTES);

/** Where the next byte goes. */
function put(value: number, at: number): number {
  if (value >= 0 && value < FAST) return putDigits(value | 0, at);
  return at + buffer.write(String(value), at, "latin1");
}

function putDigits(value: number, at: number): number {
  let end = at + 1;
  for (let bound = 10; bound <= value; bound *= 10) end++;
  let rest = value;
  for (let place = end - 1; place > at; place--) {
    const tens = (rest / 10) | 0;
    buffer[place] = ZERO + rest - tens * 10;
    rest = tens;
  }
  buffer[at] = ZERO + rest;
  return end;
}
