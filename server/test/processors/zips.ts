import { crc32, deflateRawSync } from "node:zlib";

/** One entry of a hand-made zip; what is left out is honest. */
export interface RawEntry {
  readonly name: string | Buffer;
  readonly content?: Buffer;
  readonly deflate?: boolean;
  /** Packed bytes as they are, for content too large to make. */
  readonly packed?: Buffer;
  readonly method?: number;
  readonly flags?: number;
  /** Unix mode, as the upper half of the external attributes. */
  readonly mode?: number;
  readonly claims?: { readonly uncompressed?: number; readonly compressed?: number; readonly crc?: number; readonly offset?: number };
  /** Written to the directory only: it shares the bytes of the entry before it. */
  readonly shared?: boolean;
  readonly extra?: Buffer;
}

/** A zip byte by byte, lies and all. */
export function rawZip(entries: readonly RawEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  let last: { offset: number; packed: Buffer } = { offset: 0, packed: Buffer.alloc(0) };
  for (const entry of entries) {
    const content = entry.content ?? Buffer.alloc(0);
    const name = Buffer.from(entry.name);
    const method = entry.method ?? (entry.deflate || entry.packed ? 8 : 0);
    const packed = entry.shared ? last.packed : (entry.packed ?? (method === 8 ? deflateRawSync(content) : content));
    const offset = entry.shared ? last.offset : at;
    const fields = {
      method,
      flags: entry.flags ?? 0x800,
      crc: entry.claims?.crc ?? crc32(content),
      compressed: entry.claims?.compressed ?? packed.length,
      uncompressed: entry.claims?.uncompressed ?? content.length,
      name,
      extra: entry.extra ?? Buffer.alloc(0),
    };
    if (!entry.shared) {
      const header = localHeader(fields);
      parts.push(header, packed);
      at += header.length + packed.length;
      last = { offset, packed };
    }
    directory.push(directoryEntry({ ...fields, mode: entry.mode ?? 0, offset: entry.claims?.offset ?? offset }));
  }
  const bytes = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(bytes.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, bytes, end]);
}

interface Fields {
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly compressed: number;
  readonly uncompressed: number;
  readonly name: Buffer;
  readonly extra: Buffer;
}

function localHeader(fields: Fields): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header, 4, fields);
  return Buffer.concat([header, fields.name, fields.extra]);
}

function directoryEntry(fields: Fields & { mode: number; offset: number }): Buffer {
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE((3 << 8) | 20, 4);
  writeCommon(header, 6, fields);
  header.writeUInt32LE((fields.mode << 16) >>> 0, 38);
  header.writeUInt32LE(fields.offset, 42);
  return Buffer.concat([header, fields.name, fields.extra]);
}

/** Version needed, flags, method, time, date, crc, sizes and name length lie alike in both headers. */
function writeCommon(header: Buffer, at: number, fields: Fields): void {
  header.writeUInt16LE(20, at);
  header.writeUInt16LE(fields.flags, at + 2);
  header.writeUInt16LE(fields.method, at + 4);
  header.writeUInt16LE(0x21, at + 8);
  header.writeUInt32LE(fields.crc, at + 10);
  header.writeUInt32LE(fields.compressed, at + 14);
  header.writeUInt32LE(fields.uncompressed, at + 18);
  header.writeUInt16LE(fields.name.length, at + 22);
  header.writeUInt16LE(fields.extra.length, at + 24);
}
