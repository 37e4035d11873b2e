import { open } from "node:fs/promises";
import { BadInput, type InputFile } from "../processor.ts";
import { createIntegerScanner } from "./integer-scanner.ts";

export interface ColumnSums {
  /** Adds a file's n-th integer to the n-th sum. Rejects BadInput where a token is no integer or the counts differ. */
  add(input: InputFile, signal: AbortSignal): Promise<void>;
  /** Writes the sums, one a line. */
  write(path: string, signal: AbortSignal): Promise<void>;
}

/** 16 million numbers are 128 MiB of sums: what one step host can hold beside its buffers. */
const MAX_COLUMNS = 2 ** 24;
const READ_BYTES = 256 * 1024;
const WRITE_LINES = 8_192;

/**
 * Sums live in a Float64Array, which is exact up to 2^53 − 1; a sum that would leave that range moves into a map of
 * BigInts and stays there. So 5 × 10,000 small integers take a few milliseconds and huge ones are still exact.
 */
export function createColumnSums(): ColumnSums {
  let sums = new Float64Array(1_024);
  const big = new Map<number, bigint>();
  let columns: number | undefined;

  const grow = (index: number, name: string): void => {
    if (index >= MAX_COLUMNS) throw new BadInput("limit_exceeded", `"${name}" holds more than ${MAX_COLUMNS} numbers.`);
    const larger = new Float64Array(Math.min(sums.length * 2, MAX_COLUMNS));
    larger.set(sums);
    sums = larger;
  };

  const addBig = (index: number, value: bigint): void => {
    big.set(index, (big.get(index) ?? BigInt(sums[index] ?? 0)) + value);
  };

  return {
    async add(input, signal) {
      let index = 0;
      const scanner = createIntegerScanner(input.name, {
        small(value) {
          if (index >= sums.length) grow(index, input.name);
          const sum = (sums[index] ?? 0) + value;
          if (sum > Number.MAX_SAFE_INTEGER || sum < Number.MIN_SAFE_INTEGER || (big.size > 0 && big.has(index)))
            addBig(index, BigInt(value));
          else sums[index] = sum;
          index++;
        },
        large(value) {
          if (index >= sums.length) grow(index, input.name);
          addBig(index, value);
          index++;
        },
      });
      const file = await open(input.path);
      try {
        const buffer = Buffer.allocUnsafe(READ_BYTES);
        for (;;) {
          const { bytesRead } = await file.read(buffer, 0, READ_BYTES);
          if (bytesRead === 0) break;
          scanner.scan(buffer.subarray(0, bytesRead));
          if (columns !== undefined && index > columns) break;
          signal.throwIfAborted();
        }
      } finally {
        await file.close();
      }
      scanner.end();
      if (columns !== undefined && index !== columns) {
        const held = index > columns ? `more than ${columns}` : String(index);
        throw new BadInput(
          "type_mismatch",
          `"${input.name}" holds ${held} numbers where the files before it hold ${columns}; all must hold equally many.`,
        );
      }
      if (index === 0) throw new BadInput("corrupt", `"${input.name}" holds no numbers.`);
      columns = index;
    },

    async write(path, signal) {
      const file = await open(path, "wx");
      try {
        const count = columns ?? 0;
        for (let start = 0; start < count; start += WRITE_LINES) {
          signal.throwIfAborted();
          let lines = "";
          const end = Math.min(start + WRITE_LINES, count);
          for (let index = start; index < end; index++) lines += `${big.get(index) ?? sums[index]}\n`;
          await file.write(lines);
        }
      } finally {
        await file.close();
      }
    },
  };
}
