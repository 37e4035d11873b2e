import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Which call of a step a host began last. `count` grows with every call of a task, from 1. */
export interface LastCall {
  readonly count: number;
  readonly index: number;
  /** Position in the task's steps. */
  readonly step: number;
}

/** The worker's end. */
export interface LastCallFile {
  /** Handed to the host as its descriptor LAST_CALL_FD. */
  readonly fd: number;
  /** Before a task: forgets the one before. */
  clear(): void;
  /** Undefined: no call yet, or nothing that a host of ours would write. */
  read(): LastCall | undefined;
  close(): void;
}

/** Behind stdin, stdout, stderr and the channel. */
export const LAST_CALL_FD = 4;
const BYTES = 12;

/**
 * Twelve bytes of a file without a name, which the host overwrites before each call of a step: whom to blame should it
 * die. A message for each call told the same, but may still be in the host when it dies, and the worker had to parse 50
 * of them for a batch of 50 small files; a write to a file is with the kernel when it returns. The worker reads with a
 * descriptor of its own, so no path is followed that a host could swap.
 */
export function openLastCall(folder: string): LastCallFile {
  const path = join(folder, "last-call");
  let fd = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  const bytes = Buffer.alloc(BYTES);
  return {
    fd,
    clear() {
      if (fd >= 0) writeSync(fd, Buffer.alloc(BYTES), 0, BYTES, 0);
    },
    read() {
      if (fd < 0 || readSync(fd, bytes, 0, BYTES, 0) !== BYTES || fstatSync(fd).size !== BYTES) return undefined;
      const count = bytes.readUInt32LE(0);
      return count === 0 ? undefined : { count, index: bytes.readUInt32LE(4), step: bytes.readUInt32LE(8) };
    },
    close() {
      if (fd >= 0) closeSync(fd);
      fd = -1;
    },
  };
}

/** The host's end: call it with each call's place before its work begins; `restart` with each task. */
export function tellLastCall(fd: number): { restart(): void; tell(index: number, step: number): void } {
  const bytes = Buffer.alloc(BYTES);
  let count = 0;
  return {
    restart() {
      count = 0;
    },
    tell(index, step) {
      count += 1;
      bytes.writeUInt32LE(count, 0);
      bytes.writeUInt32LE(index, 4);
      bytes.writeUInt32LE(step, 8);
      writeSync(fd, bytes, 0, BYTES, 0);
    },
  };
}
