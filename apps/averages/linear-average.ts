/**
 * The averages of files of integers, element by element: all of them once, one after the other, and divided at the end. It
 * shares no code with what it checks. Sums of the numbers that a job may have are far below 2^53, and so exact.
 */
export interface LinearAverage {
  /** Adds a file; its name is for errors. Rejects RangeError where it is not what a job makes. */
  add(name: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  /** JavaScript's text of each average, with spaces between. */
  text(): string;
}

const SPACE = 32;
const NEWLINE = 10;
const ZERO = 48;

export function createLinearAverage(columns: number, range: { readonly least: number; readonly most: number }): LinearAverage {
  const sums = new Float64Array(columns);
  let files = 0;

  return {
    async add(name, content) {
      const numbers = new Int32Array(columns);
      let column = 0;
      let value = 0;
      let digits = 0;
      let isOver = false;

      const end = () => {
        if (digits === 0 || column >= columns || value < range.least || value > range.most) {
          throw new RangeError(
            `"${name}" is not ${columns} whole numbers from ${range.least} to ${range.most} on one line, with one space between.`,
          );
        }
        numbers[column++] = value;
        value = 0;
        digits = 0;
      };

      for await (const bytes of content) {
        for (const byte of bytes) {
          if (byte === SPACE || byte === NEWLINE) {
            end();
            isOver = byte === NEWLINE;
            continue;
          }
          // Anything else, and what stands behind the line, makes a number that is out of range.
          value = byte >= ZERO && byte <= ZERO + 9 && !isOver ? value * 10 + (byte - ZERO) : Infinity;
          digits += 1;
        }
      }
      if (!isOver || digits > 0) end();
      if (column !== columns) throw new RangeError(`"${name}" holds ${column} numbers, not ${columns}.`);
      // Several files are read at the same time; each is added when it is whole.
      for (let index = 0; index < columns; index++) sums[index] = (sums[index] ?? 0) + (numbers[index] ?? 0);
      files += 1;
    },
    text: () => Array.from(sums, (sum) => String(sum / files)).join(" "),
  };
}
