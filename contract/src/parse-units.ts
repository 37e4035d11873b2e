/** Sizes and durations as text. Without the schemas (units.ts), so that a process which must start at once need not load zod. */
export const SIZE = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)$/;
export const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/;

const SIZE_FACTOR: Record<string, number> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};
const DURATION_FACTOR_MS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7 };

/** Bytes in a size such as `50MiB`. Throws RangeError on anything else. */
export function parseSize(text: string): number {
  const match = SIZE.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a size; write for example "50MiB"`);
  return Math.round(Number(match[1]) * (SIZE_FACTOR[match[2] ?? ""] ?? 1));
}

/** Milliseconds in a duration such as `90s`. Throws RangeError on anything else. */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text);
  if (!match) throw new RangeError(`"${text}" is not a duration; write for example "90s"`);
  return Math.round(Number(match[1]) * (DURATION_FACTOR_MS[match[2] ?? ""] ?? 1));
}
