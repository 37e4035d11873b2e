import type { ByteRange } from "../storage/object-store.ts";

/**
 * What a Range header asks of a file of `sizeBytes` (RFC 9110 §14.2). `whole`: no header, another unit, a malformed one or
 * several ranges, all of which a server may ignore. `none`: nothing of it lies in the file, 416.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | "whole" | "none" {
  const [, first, last] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return "whole";
  // "If the selected representation is shorter than the specified suffix-length, the entire representation is used."
  if (first === "")
    return last === "0".repeat(last.length) || sizeBytes === 0
      ? "none"
      : { start: Math.max(sizeBytes - Number(last), 0), end: sizeBytes - 1 };
  const start = Number(first);
  if (last !== "" && Number(last) < start) return "whole";
  if (start >= sizeBytes) return "none";
  return { start, end: last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) };
}
