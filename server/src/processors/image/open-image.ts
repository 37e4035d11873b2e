import type { default as openSharp, Metadata, Sharp } from "sharp";
import { BadInput, type InputFile } from "../processor.ts";

export interface OpenImage {
  /** First frame, nothing decoded yet. */
  readonly image: Sharp;
  /** From the header alone. Width and height are as stored, before the orientation is applied. */
  readonly header: Omit<Metadata, "format"> & { readonly format: ImageFormat; readonly width: number; readonly height: number };
}

export const IMAGE_FORMATS = ["jpeg", "png", "webp", "avif", "gif", "tiff"] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

export const IMAGE_TYPES = IMAGE_FORMATS.map((format) => `image/${format}`);

/** An animated PNG has a type of its own, and is a PNG to whoever takes its first frame. */
const OTHER_NAMES: Readonly<Record<string, ImageFormat>> = { "image/apng": "png" };

/** What can be read, beyond what can be written. */
export const READABLE_TYPES = [...IMAGE_TYPES, ...Object.keys(OTHER_NAMES)];

/** sharp's own default lets a 256-megapixel PNG of 31 KB through, which is 1 GB of pixels; 50 Mpx are 200 MB. */
export const DEFAULT_MAX_PIXELS = 50_000_000;

/** The decoders that may meet a user's bytes. SVG (external entities), PDF, ImageMagick and raw loaders are not among them. */
const LOADERS = ["Jpeg", "Png", "Webp", "Heif", "Nsgif", "Tiff"].map((name) => `VipsForeignLoad${name}`);

/**
 * Reads an image's header and refuses what must not be decoded: BadInput `corrupt` where it is no image,
 * `type_mismatch` where it is one of another kind than it claims, `limit_exceeded` above `maxPixels`. `page`: of an
 * image that has several, counted from 0.
 */
export async function openImage(input: InputFile, maxPixels: number, page = 0): Promise<OpenImage> {
  const sharp = await guardedSharp();
  // "error" ends on truncated and damaged data, yet takes photos of cameras that add a few stray bytes.
  const image = sharp(input.path, { limitInputPixels: false, failOn: "error", page });
  const header = await image.metadata().catch((cause: unknown) => {
    throw unreadable(input, cause);
  });
  const format = formatOf(header);
  const { width, height } = header;
  if (format === undefined) {
    throw new BadInput("type_mismatch", `"${input.name}" is ${header.format}; taken are ${IMAGE_FORMATS.join(", ")}.`);
  }
  const declared = OTHER_NAMES[input.mediaType] ?? input.mediaType.slice("image/".length);
  if (declared !== format) {
    throw new BadInput("type_mismatch", `"${input.name}" is ${format} inside, not ${input.mediaType}.`);
  }
  if (width * height > maxPixels) throw tooManyPixels(input, { width, height, maxPixels });
  return { image, header: { ...header, format, width, height } };
}

let guarded: Promise<typeof openSharp> | undefined;

/**
 * sharp with the loaders above alone. Restricted once a process: what is being opened between a block and its unblock
 * fails as "not a known file format", which calls side by side met.
 */
function guardedSharp(): Promise<typeof openSharp> {
  guarded ??= import("sharp").then(({ default: sharp }) => {
    sharp.block({ operation: ["VipsForeignLoad"] });
    sharp.unblock({ operation: LOADERS });
    // libvips remembers results by path, and paths of a scratch folder are used again for other files.
    sharp.cache(false);
    return sharp;
  });
  return guarded;
}

/** What libvips threw while it decoded, as the user's BadInput. Trouble of the machine itself is thrown on as it is. */
export function unreadable(input: InputFile, cause: unknown): Error {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  // The first line is the cause; the encoder adds below it that it could not write, whatever the reason.
  const reason = error.message.split("\n")[0] ?? "";
  if (/out of memory|no space|unable to (?:open|write)|ENOSPC|EIO/i.test(reason)) return error;
  return new BadInput("corrupt", `"${input.name}" can't be read as an image: ${reason.replaceAll(input.path, input.name)}.`, { cause });
}

export function tooManyPixels(input: InputFile, size: { width: number; height: number; maxPixels: number }): BadInput {
  const millions = (count: number): string => `${Math.ceil(count / 100_000) / 10} million`;
  return new BadInput(
    "limit_exceeded",
    `"${input.name}" would need ${size.width} × ${size.height} = ${millions(size.width * size.height)} pixels; ` +
      `at most ${millions(size.maxPixels)} are allowed (max_pixels).`,
  );
}

function formatOf(header: Metadata): ImageFormat | undefined {
  if (header.format === "heif") return header.compression === "av1" ? "avif" : undefined;
  return IMAGE_FORMATS.find((format) => format === header.format);
}
