/** Enough for every signature that file-type knows, and for text to show its true face. */
export const SNIFF_BYTES = 4_100;

const TEXT_TYPES: Readonly<Record<string, string>> = {
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  json: "application/json",
  geojson: "application/json",
  ndjson: "application/x-ndjson",
  jsonl: "application/x-ndjson",
  md: "text/markdown",
  html: "text/html",
  htm: "text/html",
  xml: "application/xml",
  svg: "image/svg+xml",
  yaml: "application/yaml",
  yml: "application/yaml",
};

/**
 * The media type of an unpacked file from its first bytes. A signature decides; text has none, so there the extension
 * may say which kind of text it is, and nothing else: an executable named `x.csv` stays application/octet-stream.
 */
export async function sniffMediaType(name: string, head: Buffer): Promise<string> {
  const { fileTypeFromBuffer } = await import("file-type");
  const found = await fileTypeFromBuffer(head);
  if (found && found.mime !== "application/xml")
    return found.mime === "application/x-parquet" ? "application/vnd.apache.parquet" : found.mime;
  if (!isText(head)) return "application/octet-stream";
  const extension = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return TEXT_TYPES[extension] ?? found?.mime ?? "text/plain";
}

/** UTF-8 without control characters that text has no use for; the last character may be cut. */
function isText(head: Buffer): boolean {
  const controls = head.subarray(0, SNIFF_BYTES).some((byte) => byte < 0x09 || (byte > 0x0d && byte < 0x20 && byte !== 0x1b));
  if (controls) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}
