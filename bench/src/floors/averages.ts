import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomIntegers } from "@filemill/server/src/processors/numbers/random-integers.ts";

/**
 * What a single program without any platform takes: makes the files, writes them, reads them again, parses and sums, all
 * in one thread and without making anything durable. `node averages.ts <files> <columns> <seed>` prints the averages.
 */
const [files = 0, columns = 0, seed = 0] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "filemill-floor-"));
try {
  const numbers = new Float64Array(columns);
  for (let file = 0; file < files; file++) {
    randomIntegers(seed, file).draw(numbers, 100);
    for (let place = 0; place < columns; place++) numbers[place] = (numbers[place] ?? 0) + 1;
    writeFileSync(join(folder, String(file)), numbers.join(" "));
  }
  const sums = new Float64Array(columns);
  for (let file = 0; file < files; file++) addFile(sums, readFileSync(join(folder, String(file))));
  const final = sums.map((sum) => sum / files).join(" ");
  writeFileSync(join(folder, "final.txt"), final);
  process.stdout.write(final);
} finally {
  rmSync(folder, { recursive: true });
}

function addFile(sums: Float64Array, bytes: Uint8Array): void {
  let place = 0;
  let value = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte === 0x20) {
      sums[place] = (sums[place] ?? 0) + value;
      place++;
      value = 0;
    } else value = value * 10 + byte - 0x30;
  }
  sums[place] = (sums[place] ?? 0) + value;
}
