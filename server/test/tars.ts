/** One entry of a hand-made tar; what is left out is honest. */
export interface RawTarEntry {
  readonly name: string;
  readonly content?: Buffer;
  /** The flag at 156; "0" is a regular file. */
  readonly type?: string;
  readonly linkName?: string;
  readonly claims?: { readonly size?: number; readonly checksum?: number };
  /** Of an extended header in front of it: `path`, `size`, … */
  readonly pax?: Readonly<Record<string, string>>;
}

const BLOCK = 512;
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** A tar (ustar, pax) byte by byte, lies and all. */
export function rawTar(entries: readonly RawTarEntry[], end: Buffer = TAR_END): Buffer {
  return Buffer.concat([...entries.map(tarEntry), end]);
}

export function tarEntry(entry: RawTarEntry): Buffer {
  const content = entry.content ?? Buffer.alloc(0);
  const own = Buffer.concat([headerOf(entry, content.length), padded(content)]);
  if (entry.pax === undefined) return own;
  const records = Buffer.from(Object.entries(entry.pax).map(paxRecord).join(""));
  return Buffer.concat([headerOf({ name: "pax", type: "x" }, records.length), padded(records), own]);
}

function headerOf(entry: RawTarEntry, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(entry.name.slice(0, 100), 0, "utf8");
  header.write("0000644\0", 100, "latin1");
  header.write("0000000\0", 108, "latin1");
  header.write("0000000\0", 116, "latin1");
  header.write(`${(entry.claims?.size ?? size).toString(8).padStart(11, "0")}\0`, 124, "latin1");
  header.write("00000000000\0", 136, "latin1");
  header.write("        ", 148, "latin1");
  header.write(entry.type ?? "0", 156, "latin1");
  header.write(entry.linkName ?? "", 157, "utf8");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${(entry.claims?.checksum ?? sum).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord([key, value]: [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const digits = String(bytes + String(bytes).length).length;
  return `${bytes + digits}${rest}`;
}
