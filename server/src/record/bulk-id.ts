import { v7 as uuidv7 } from "uuid";

/**
 * A bulk is a range of file ids: its own UUIDv7 ends in 32 zero bits, and its files share the first 96 bits and count in
 * the last 32, in the order of the archive (RFC 9562 §6.2 lets a counter stand there). So a bulk needs no table and no
 * row a file: listing it, running a job over it and going on where a broken one ended are scans of the files' primary
 * key, and its inserts append to one place of that index. 42 bits stay random in each millisecond.
 *
 * The last 4 bits are the generation. It is 0 but where garbage collection has taken an id for the remains of an attempt
 * that broke off between storing the bytes of a file and recording it: the next attempt then takes the next one.
 */
export function newBulkId(): string {
  return uuidv7().slice(0, -COUNTER_DIGITS) + "0".repeat(COUNTER_DIGITS);
}

/** Files of one bulk that can be counted. */
export const MAX_BULK_FILES = 2 ** 28 - 1;

/** The id of the file at `ordinal`, from 0. */
export function bulkFileId(bulkId: string, { ordinal, generation }: { ordinal: number; generation: number }): string {
  const counter = (ordinal + 1) * GENERATIONS + generation;
  return bulkId.slice(0, -COUNTER_DIGITS) + counter.toString(16).padStart(COUNTER_DIGITS, "0");
}

export function placeInBulk(fileId: string): { readonly ordinal: number; readonly generation: number } {
  const counter = Number.parseInt(fileId.slice(-COUNTER_DIGITS), 16);
  return { ordinal: Math.floor(counter / GENERATIONS) - 1, generation: counter % GENERATIONS };
}

/** Its files have ids above the bulk's own, up to this one. */
export function lastIdOfBulk(bulkId: string): string {
  return bulkId.slice(0, -COUNTER_DIGITS) + "f".repeat(COUNTER_DIGITS);
}

/** Could it be a bulk's? Only those end in zeros. */
export function isBulkId(uuid: string): boolean {
  return uuid.endsWith("0".repeat(COUNTER_DIGITS));
}

const COUNTER_DIGITS = 8;
const GENERATIONS = 16;
