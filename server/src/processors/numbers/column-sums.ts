import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { BadInput, type InputFile } from "../processor.ts";
import { divide } from "./divide.ts";
import { readNumbers } from "./read-numbers.ts";

/** Sums over files, element by element: exact for integers, compensated for decimals. */
export interface ColumnSums {
  /** Adds a file's n-th number to the n-th sum. Rejects BadInput where a token is no number or the counts differ. */
  add(input: InputFile, signal: AbortSignal): Promise<void>;
  /** Adds the sums that writeState wrote. */
  addState(input: InputFile, signal: AbortSignal): Promise<void>;
  /** Writes the sums, one a line. */
  write(path: string): void;
  /** Writes the sums with the number of files that they are over. */
  writeState(path: string): void;
  /** Writes each sum divided by the number of files, with spaces between them. */
  writeMeans(path: string): void;
}

/** 16 million numbers are 128 MiB of sums: what one step host can hold beside its buffers. */
const MAX_COLUMNS = 2 ** 24;
const WRITE_NUMBERS = 8_192;
/** `filemill-sums <version> <files>`, then the sums, one a line. */
const HEADER = /^filemill-sums 1 (\d{1,15})\n/;
const MAX_HEADER_BYTES = 64;

/**
 * Sums live in a Float64Array, which is exact up to 2^53 − 1; a sum that would leave that range moves into a map of
 * BigInts and stays there. So 5 × 10,000 small integers take a few milliseconds and huge ones are still exact. A column
 * with a decimal moves to a compensated sum (Neumaier): what each addition rounds off is added up beside it.
 */
export function createColumnSums(): ColumnSums {
  let sums = new Float64Array(1_024);
  const big = new Map<number, bigint>();
  const decimals = new Map<number, Compensated>();
  let hasSpecials = false;
  let columns: number | undefined;
  let files = 0;

  const grow = (wanted: number, name: string): void => {
    if (wanted > MAX_COLUMNS) throw new BadInput("limit_exceeded", `"${name}" holds more than ${MAX_COLUMNS} numbers.`);
    const larger = new Float64Array(Math.min(sums.length * 2, MAX_COLUMNS));
    larger.set(sums);
    sums = larger;
  };

  const addBig = (index: number, value: bigint): void => {
    hasSpecials = true;
    if (decimals.has(index)) return addDecimal(index, Number(value));
    big.set(index, (big.get(index) ?? BigInt(sums[index] ?? 0)) + value);
  };

  const addDecimal = (index: number, value: number): void => {
    hasSpecials = true;
    const sum = decimals.get(index) ?? { sum: Number(big.get(index) ?? sums[index] ?? 0), rest: 0 };
    decimals.set(index, plus(sum, value));
    big.delete(index);
  };

  const isSpecial = (index: number): boolean => big.has(index) || decimals.has(index);

  async function addNumbers(input: InputFile, options: { signal: AbortSignal; from?: number }): Promise<void> {
    let index = 0;
    const sink = {
      small(values: Float64Array, count: number) {
        while (index + count > sums.length) grow(index + count, input.name);
        const into = sums;
        for (let place = 0; place < count; place++) {
          const value = values[place] ?? 0;
          const sum = (into[index] ?? 0) + value;
          if (sum > Number.MAX_SAFE_INTEGER || sum < Number.MIN_SAFE_INTEGER || (hasSpecials && isSpecial(index)))
            addBig(index, BigInt(value));
          else into[index] = sum;
          index++;
        }
      },
      large(value: bigint) {
        if (index >= sums.length) grow(index + 1, input.name);
        addBig(index, value);
        index++;
      },
      decimal(value: number) {
        if (index >= sums.length) grow(index + 1, input.name);
        addDecimal(index, value);
        index++;
      },
    };
    await readNumbers(input, sink, options);
    if (columns !== undefined && index !== columns) throw otherCount(input.name, index, columns);
    if (index === 0) throw new BadInput("corrupt", `"${input.name}" holds no numbers.`);
    columns = index;
  }

  const sumAt = (index: number): number | bigint => {
    const decimal = decimals.get(index);
    return decimal ? decimal.sum + decimal.rest : (big.get(index) ?? sums[index] ?? 0);
  };

  const finite = (value: number | bigint, index: number): number | bigint => {
    if (typeof value === "bigint" || Number.isFinite(value)) return value;
    throw new BadInput("limit_exceeded", `The sum of the numbers at place ${index + 1} is more than a decimal can hold.`);
  };

  return {
    async add(input, signal) {
      await addNumbers(input, { signal });
      files += 1;
    },
    async addState(input, signal) {
      const header = readHeader(input);
      await addNumbers(input, { signal, from: header.bytes });
      files += header.files;
    },
    write: (path) => writeAll(path, columns ?? 0, (index) => `${finite(sumAt(index), index)}\n`),
    writeState(path) {
      writeAll(path, columns ?? 0, (index) => `${index === 0 ? `filemill-sums 1 ${files}\n` : ""}${finite(sumAt(index), index)}\n`);
    },
    writeMeans(path) {
      writeAll(path, columns ?? 0, (index) => `${index === 0 ? "" : " "}${divide(finite(sumAt(index), index), files)}`);
    },
  };
}

interface Compensated {
  readonly sum: number;
  /** What additions have rounded off. */
  readonly rest: number;
}

/** Neumaier's: the rounding error is taken from the smaller of the two. */
function plus({ sum, rest }: Compensated, value: number): Compensated {
  const next = sum + value;
  const lost = Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
  return { sum: next, rest: rest + lost };
}

function otherCount(name: string, held: number, columns: number): BadInput {
  return new BadInput(
    "type_mismatch",
    `"${name}" holds ${held} numbers where the files before it hold ${columns}; all must hold equally many.`,
  );
}

function readHeader(input: InputFile): { files: number; bytes: number } {
  const file = openSync(input.path, "r");
  try {
    const start = Buffer.alloc(MAX_HEADER_BYTES);
    const [line = "", files = "0"] = HEADER.exec(start.toString("latin1", 0, readSync(file, start, 0, MAX_HEADER_BYTES, 0))) ?? [];
    if (line === "") throw new BadInput("corrupt", `"${input.name}" does not hold sums of this version; run the job again.`);
    return { files: Number(files), bytes: line.length };
  } finally {
    closeSync(file);
  }
}

function writeAll(path: string, count: number, textOf: (index: number) => string): void {
  const file = openSync(path, "wx");
  try {
    for (let start = 0; start < count; start += WRITE_NUMBERS) {
      let text = "";
      const end = Math.min(start + WRITE_NUMBERS, count);
      for (let index = start; index < end; index++) text += textOf(index);
      writeSync(file, text);
    }
  } finally {
    closeSync(file);
  }
}
