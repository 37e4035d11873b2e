/**
 * What stands in front of a sealed message: `FML1`, a byte for the suite, the length of the header in two bytes, and the
 * header, canonical JSON that says which object this is. It is a part of the message's context: with another prefix the
 * commitment does not come out. It never changes, so that it holds neither the place of the object nor the version of its key.
 */
export interface ObjectName {
  readonly tenantId: string;
  readonly objectId: string;
  /** The number that the segment was written under. */
  readonly segment: number;
}

const MAGIC = Buffer.from("FML1");
/** AES-256-GCM in chunks of 16 KiB, keys by HKDF-Expand with SHA-512. */
const SUITE = 1;
const FIXED_BYTES = MAGIC.length + 1 + 2;
/** Longer than any prefix with the head of the message behind it. */
export const MAX_HEAD_BYTES = 256;

export function encodePrefix({ tenantId, objectId, segment }: ObjectName): Buffer {
  // Canonical (RFC 8785): no spaces, names in order; uuids and a whole number have one spelling each.
  const header = Buffer.from(`{"object":"${objectId}","segment":${segment},"tenant":"${tenantId}"}`);
  const prefix = Buffer.allocUnsafe(FIXED_BYTES + header.length);
  MAGIC.copy(prefix);
  prefix.writeUInt8(SUITE, MAGIC.length);
  prefix.writeUInt16BE(header.length, MAGIC.length + 1);
  header.copy(prefix, FIXED_BYTES);
  return prefix;
}

/**
 * The prefix at the start of `head`, where it is the one of that object in any segment number; else what is wrong with it.
 * Nothing in it is believed before the commitment has been checked.
 */
export function findPrefix(head: Buffer, { tenantId, objectId }: Omit<ObjectName, "segment">): Buffer | string {
  if (head.length < FIXED_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) return "it does not begin as a sealed object does";
  const suite = head.readUInt8(MAGIC.length);
  if (suite !== SUITE) return `its suite is ${suite}, which this version does not know`;
  const length = FIXED_BYTES + head.readUInt16BE(MAGIC.length + 1);
  const [, segment] = /^\{"object":"[0-9a-f-]{36}","segment":(0|[1-9]\d{0,9}),/.exec(head.toString("latin1", FIXED_BYTES, length)) ?? [];
  if (segment === undefined) return "its header can't be read";
  const prefix = encodePrefix({ tenantId, objectId, segment: Number(segment) });
  return head.subarray(0, length).equals(prefix) ? prefix : "it is another object";
}
