/**
 * The records of a zip archive (PKWARE APPNOTE 6.3.10, section 4.3). Names are UTF-8, every time is the first moment
 * that a zip can express, so that equal inputs give equal bytes, and the 64-bit forms stand where a field needs them.
 */
export interface ZipEntry {
  readonly name: Buffer;
  readonly deflated: boolean;
  /** Decided before the content is read, so that a header can be filled in later at its size. */
  readonly isLarge: boolean;
  /** The header stands with empty sizes; sizesRecord() comes behind the content. For archives that are sent as they are made. */
  readonly sizesFollow: boolean;
  readonly offset: number;
}

export interface ZipContent {
  readonly crc32: number;
  readonly packedBytes: number;
  readonly bytes: number;
}

const MAX_32 = 0xffff_ffff;
const MAX_16 = 0xffff;
/** 4.4.4: bit 11, the name is UTF-8. */
const FLAGS = 0x0800;
/** 4.4.4: bit 3, the sizes follow the content. */
const SIZES_FOLLOW = 0x0008;
const DEFLATED = 8;
/** 4.4.2, 4.4.3: Unix, and version 4.5 for the 64-bit forms. */
const MADE_BY = (3 << 8) | 45;
const NEEDS_PLAIN = 20;
const NEEDS_64 = 45;
/** 1980-01-01 in the bits of MS-DOS. */
const FIRST_DATE = 0x21;
/** A regular file, rw-r--r--, in the upper half of the external attributes. */
const REGULAR_FILE = 0o100644 * 2 ** 16;

/** From here sizes may not fit into 32 bits; deflate may add a little to what it can't pack. */
export const LARGE_BYTES = 0xff00_0000;
/** What is known of a content before it was read. */
export const UNREAD: ZipContent = { crc32: 0, packedBytes: 0, bytes: 0 };

/** 4.3.7. The same length whatever the content. */
export function localHeader(entry: ZipEntry, content: ZipContent): Buffer {
  const sizes = entry.isLarge ? zip64Extra([content.bytes, content.packedBytes]) : Buffer.alloc(0);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x0403_4b50, 0);
  header.writeUInt16LE(entry.isLarge ? NEEDS_64 : NEEDS_PLAIN, 4);
  writeCommon(header, 6, entry, content);
  header.writeUInt16LE(entry.name.length, 26);
  header.writeUInt16LE(sizes.length, 28);
  return Buffer.concat([header, entry.name, sizes]);
}

/** 4.3.9: behind the content of an entry with `sizesFollow`; in 64 bits where its local header has them so. */
export function sizesRecord(entry: ZipEntry, content: ZipContent): Buffer {
  const record = Buffer.alloc(entry.isLarge ? 24 : 16);
  record.writeUInt32LE(0x0807_4b50, 0);
  record.writeUInt32LE(content.crc32, 4);
  if (entry.isLarge) {
    record.writeBigUInt64LE(BigInt(content.packedBytes), 8);
    record.writeBigUInt64LE(BigInt(content.bytes), 16);
  } else {
    record.writeUInt32LE(content.packedBytes, 8);
    record.writeUInt32LE(content.bytes, 12);
  }
  return record;
}

/** 4.3.12, with 4.5.3 for what does not fit. */
export function centralHeader(entry: ZipEntry, content: ZipContent): Buffer {
  const isFar = entry.offset >= MAX_32;
  const fields = [...(entry.isLarge ? [content.bytes, content.packedBytes] : []), ...(isFar ? [entry.offset] : [])];
  const extra = fields.length > 0 ? zip64Extra(fields) : Buffer.alloc(0);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x0201_4b50, 0);
  header.writeUInt16LE(MADE_BY, 4);
  header.writeUInt16LE(fields.length > 0 ? NEEDS_64 : NEEDS_PLAIN, 6);
  writeCommon(header, 8, entry, content);
  header.writeUInt16LE(entry.name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(REGULAR_FILE, 38);
  header.writeUInt32LE(isFar ? MAX_32 : entry.offset, 42);
  return Buffer.concat([header, entry.name, extra]);
}

/** 4.3.14 to 4.3.16: the end, with its 64-bit form and the pointer to it where a field overflows. */
export function endRecords({ entries, offset, sizeBytes }: { entries: number; offset: number; sizeBytes: number }): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt16LE(Math.min(entries, MAX_16), 8);
  end.writeUInt16LE(Math.min(entries, MAX_16), 10);
  end.writeUInt32LE(Math.min(sizeBytes, MAX_32), 12);
  end.writeUInt32LE(Math.min(offset, MAX_32), 16);
  if (entries < MAX_16 && offset < MAX_32 && sizeBytes < MAX_32) return end;
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x0606_4b50, 0);
  // What follows this field.
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(MADE_BY, 12);
  end64.writeUInt16LE(NEEDS_64, 14);
  end64.writeBigUInt64LE(BigInt(entries), 24);
  end64.writeBigUInt64LE(BigInt(entries), 32);
  end64.writeBigUInt64LE(BigInt(sizeBytes), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x0706_4b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + sizeBytes), 8);
  // The number of disks.
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end64, locator, end]);
}

/** From the flags to the sizes both headers are alike. */
function writeCommon(header: Buffer, at: number, entry: ZipEntry, content: ZipContent): void {
  header.writeUInt16LE(entry.sizesFollow ? FLAGS | SIZES_FOLLOW : FLAGS, at);
  header.writeUInt16LE(entry.deflated ? DEFLATED : 0, at + 2);
  header.writeUInt16LE(FIRST_DATE, at + 6);
  header.writeUInt32LE(content.crc32, at + 8);
  header.writeUInt32LE(entry.isLarge ? MAX_32 : content.packedBytes, at + 12);
  header.writeUInt32LE(entry.isLarge ? MAX_32 : content.bytes, at + 16);
}

function zip64Extra(fields: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + fields.length * 8);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(fields.length * 8, 2);
  for (const [index, field] of fields.entries()) extra.writeBigUInt64LE(BigInt(field), 4 + index * 8);
  return extra;
}
