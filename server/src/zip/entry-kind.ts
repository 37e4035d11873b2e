export type ZipEntryKind = "file" | "folder" | "symbolic_link" | "device" | "fifo" | "unknown";

const TYPE_MASK = 0o170000;
const DOS_FOLDER = 0x10;
const KINDS: Readonly<Record<number, ZipEntryKind>> = {
  0: "file",
  0o100000: "file",
  0o040000: "folder",
  0o120000: "symbolic_link",
  0o020000: "device",
  0o060000: "device",
  0o010000: "fifo",
};

/** What an entry is: the type is in the upper half of its attributes where Unix made the zip, and nowhere where it was not. */
export function zipEntryKind(name: string, externalAttributes: number): ZipEntryKind {
  if (name.endsWith("/") || (externalAttributes & DOS_FOLDER) !== 0) return "folder";
  return KINDS[(externalAttributes >>> 16) & TYPE_MASK] ?? "unknown";
}
