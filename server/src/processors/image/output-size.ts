export const FITS = ["cover", "contain", "fill", "inside", "outside"] as const;

export interface WantedSize {
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly fit: (typeof FITS)[number];
  readonly without_enlargement: boolean;
}

/**
 * Pixels of the result, known before anything is decoded: a 1 × 30,000 image asked to be 1,000 wide would be 30 Gpx.
 * `from` is the upright size. May be one off where libvips rounds otherwise.
 */
export function outputSize(from: { width: number; height: number }, wanted: WantedSize): { width: number; height: number } {
  const byWidth = wanted.width === undefined ? undefined : wanted.width / from.width;
  const byHeight = wanted.height === undefined ? undefined : wanted.height / from.height;
  if (byWidth !== undefined && byHeight !== undefined && wanted.fit !== "inside" && wanted.fit !== "outside") {
    const width = wanted.width ?? from.width;
    const height = wanted.height ?? from.height;
    return { width, height };
  }
  const scales = [byWidth, byHeight].filter((scale) => scale !== undefined);
  const scale = wanted.fit === "outside" ? Math.max(...scales) : Math.min(...scales);
  const limited = wanted.without_enlargement ? Math.min(1, scale) : scale;
  return { width: Math.max(1, Math.round(from.width * limited)), height: Math.max(1, Math.round(from.height * limited)) };
}
