import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { Problem } from "../errors.ts";
import type { Refusal, Room } from "./quota-room.ts";
import type { Amount } from "./usage.ts";

/**
 * Room for the files of one request or task, which grows as their bytes come. One caller at a time. Where the tenant has
 * no limit it does nothing, and `id` stays undefined.
 */
export interface Reservation {
  /**
   * To be given to settleReservations by whoever records the files; undefined where nothing is reserved. Throws ReservationLost
   * after release(): then nothing may be recorded.
   */
  readonly id: string | undefined;
  /** What will come, as far as it is known: makes sure that it fits, before it comes. Throws Problem quota_exceeded. */
  expect(total: Amount & { readonly mostBytes?: number }): Promise<void>;
  /** What has come now, beside what came before. Waits only where more room is needed. Throws Problem quota_exceeded. */
  take(more: Amount): Promise<void> | void;
  /** After ReservationLost: the same room anew. Throws Problem quota_exceeded. */
  again(): Promise<void>;
  /** The files were recorded, and the room with them. */
  settled(): void;
  /** Gives back what is still reserved. At any time, more than once; never rejects. */
  release(): Promise<void>;
}

/** The lease of these reservations ended, and somebody else may have their room: ask again, and record again. */
export class ReservationLost extends Error {
  readonly ids: readonly string[];
  constructor(ids: readonly string[]) {
    super(`${ids.length} reservations are gone: this process could not renew them in time`);
    this.name = "ReservationLost";
    this.ids = ids;
  }
}

/**
 * Reserved becomes used: in the transaction that records the files, as the tenant or as the system. From here to its end
 * nobody else can drop the reservations. Throws ReservationLost, and then nothing may be recorded.
 */
export async function settleReservations(transaction: Transaction, ids: readonly (string | undefined)[]): Promise<void> {
  const held = ids.filter((id) => id !== undefined);
  if (held.length === 0) return;
  const rows = await transaction.query<{ id: string }>(sql`DELETE FROM quota_reservations WHERE id = ANY(${held}::uuid[]) RETURNING id`);
  const gone = new Set(rows.map(({ id }) => id));
  const lost = held.filter((id) => !gone.has(id));
  if (lost.length > 0) throw new ReservationLost(lost);
}

/** Where it is not known how much will come, room is taken in steps: a round trip for so many bytes. */
const STEP_BYTES = 4 * 2 ** 20;

export interface ReservationOptions {
  readonly id: string;
  readonly isLimited: boolean;
  /** Undefined: there is no limit any more. */
  readonly ask: (need: Amount, wantBytes: number) => Promise<Room | undefined>;
  readonly drop: () => Promise<void>;
  readonly settled: () => void;
}

export function openReservation({ id, isLimited, ask, drop, settled }: ReservationOptions): Reservation {
  let limited = isLimited;
  let held: Amount | undefined;
  let come: Amount = { bytes: 0, files: 0 };
  let expected: Amount = { bytes: 0, files: 0 };
  let mostBytes = Number.POSITIVE_INFINITY;
  let released = false;

  async function ensure(need: Amount, wantBytes: number): Promise<void> {
    const room = await ask(need, Math.max(need.bytes, Math.min(wantBytes, mostBytes)));
    if (released) {
      // The client went away while this waited.
      await drop();
      throw new ReservationLost([id]);
    }
    if (room === undefined) limited = false;
    else if ("refused" in room) throw quotaExceeded(room.refused);
    else held = room.granted;
  }

  return {
    get id() {
      if (released && limited) throw new ReservationLost([id]);
      return held === undefined ? undefined : id;
    },
    async expect({ bytes, files, mostBytes: most }) {
      expected = { bytes, files };
      if (most !== undefined) mostBytes = most;
      if (limited) await ensure({ bytes, files }, most === undefined ? bytes : Math.min(most, bytes + STEP_BYTES));
    },
    take(more) {
      come = { bytes: come.bytes + more.bytes, files: come.files + more.files };
      if (!limited || (held !== undefined && come.bytes <= held.bytes && come.files <= held.files)) return undefined;
      return ensure(larger(come, expected), come.bytes + STEP_BYTES);
    },
    async again() {
      if (limited) await ensure(larger(come, expected), 0);
    },
    settled() {
      limited = false;
      held = undefined;
      settled();
    },
    async release() {
      released = true;
      if (held === undefined) return;
      held = undefined;
      await drop();
    },
  };
}

function larger(one: Amount, other: Amount): Amount {
  return { bytes: Math.max(one.bytes, other.bytes), files: Math.max(one.files, other.files) };
}

export function quotaExceeded({ limits, used, reserved }: Refusal): Problem {
  const parts = [
    limits.bytes === null
      ? []
      : [`${limits.bytes} bytes may be kept, ${used.bytes} are used and ${reserved.bytes} are reserved by uploads under way`],
    limits.files === null ? [] : [`${limits.files} files may be kept, ${used.files} are and ${reserved.files} are under way`],
  ].flat();
  return new Problem(
    "quota_exceeded",
    `This does not fit into the tenant's quota: ${parts.join("; ")}. Delete files, or ask the operator for more.`,
  );
}
