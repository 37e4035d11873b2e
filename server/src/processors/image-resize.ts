import type { Sharp } from "sharp";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import {
  DEFAULT_MAX_PIXELS,
  IMAGE_TYPES,
  openImage,
  READABLE_TYPES,
  tooManyPixels,
  unreadable,
  type ImageFormat,
} from "./image/open-image.ts";
import { FITS, outputSize } from "./image/output-size.ts";
import { BadInput, declareProcessor } from "./processor.ts";

/** What the narrowest encoder, WebP, can hold. */
const MAX_SIDE = 16_383;

const side = z.int().min(1).max(MAX_SIDE);

const params = z
  .strictObject({
    width: side.optional().meta({ title: "Width", description: "Pixels; left out, it follows from the height." }),
    height: side.optional().meta({ title: "Height", description: "Pixels; left out, it follows from the width." }),
    fit: z.enum(FITS).default("inside").meta({
      title: "Fit",
      description:
        "cover crops to the box; contain adds a border; fill distorts; inside keeps the whole image within the box; outside covers the box without cropping.",
    }),
    without_enlargement: z.boolean().default(true).meta({ title: "Never enlarge", description: "Leave smaller images at their size." }),
    format: z.enum(["keep", "jpeg", "png", "webp", "avif"]).default("keep").meta({ title: "Format" }),
    quality: z.int().min(1).max(100).default(80).meta({ title: "Quality", description: "1–100, for jpeg, webp and avif." }),
    background: z
      .string()
      .regex(/^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i, "must be a colour such as #ffffff")
      .default("#ffffff")
      .meta({ title: "Background", description: "Fills the border of contain, and transparency where the format has none." }),
    max_pixels: z
      .int()
      .min(1)
      .max(250_000_000)
      .default(DEFAULT_MAX_PIXELS)
      .meta({ title: "Pixel limit", description: "Images with more pixels are refused before they are decoded." }),
  })
  .refine((value) => value.width !== undefined || value.height !== undefined, { error: "needs a width or a height", path: ["width"] });

export const imageResize = declareProcessor({
  name: "image.resize",
  version: "1",
  title: "Resize images",
  description:
    "Makes images smaller or larger and converts them. The orientation of the camera is applied; EXIF, GPS and all other metadata are removed. Of an animation, the first frame is taken.",
  kind: "map",
  emits: "one",
  accepts: READABLE_TYPES,
  produces: IMAGE_TYPES,
  params,
  limits: { memoryBytes: 1.5 * 2 ** 30, wallMs: 120_000, outputBytes: 256 * 2 ** 20, outputFiles: 1 },
  example: { width: 200, height: 200, fit: "inside", format: "webp" },
  codec: true,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output }) {
    for (const input of inputs) {
      signal.throwIfAborted();
      const { image, header } = await openImage(input, params.max_pixels);
      const size = outputSize(header.autoOrient, params);
      if (size.width * size.height > params.max_pixels) throw tooManyPixels(input, { ...size, maxPixels: params.max_pixels });
      if (size.width > MAX_SIDE || size.height > MAX_SIDE) {
        throw new BadInput(
          "limit_exceeded",
          `"${input.name}" would be ${size.width} × ${size.height}; no side may be longer than ${MAX_SIDE} pixels.`,
        );
      }
      const format = params.format === "keep" ? header.format : params.format;
      const resized = image.autoOrient().resize({
        ...(params.width === undefined ? {} : { width: params.width }),
        ...(params.height === undefined ? {} : { height: params.height }),
        fit: params.fit,
        withoutEnlargement: params.without_enlargement,
        background: params.background,
      });
      const opaque = format === "jpeg" ? resized.flatten({ background: params.background }) : resized;
      const path = output({ name: renamed(input.name, format), mediaType: `image/${format}` });
      await encode(opaque, format, params.quality)
        .toFile(path)
        .catch((cause: unknown) => {
          throw unreadable(input, cause);
        });
    }
  },
});

function encode(image: Sharp, format: ImageFormat, quality: number): Sharp {
  switch (format) {
    case "jpeg":
      return image.jpeg({ quality });
    case "png":
      return image.png();
    case "webp":
      return image.webp({ quality });
    case "avif":
      return image.avif({ quality });
    case "gif":
      return image.gif();
    case "tiff":
      return image.tiff({ quality });
  }
}

const EXTENSIONS: Readonly<Record<ImageFormat, RegExp>> = {
  jpeg: /\.(?:jpe?g|jpe|jfif)$/i,
  png: /\.png$/i,
  webp: /\.webp$/i,
  avif: /\.avif$/i,
  gif: /\.gif$/i,
  tiff: /\.tiff?$/i,
};

/** The user's name with the extension of the new format, `photo.png` → `photo.webp`; a fitting one is kept as it is. */
function renamed(name: string, format: ImageFormat): string {
  if (EXTENSIONS[format].test(name)) return name;
  const known = Object.values(EXTENSIONS).find((pattern) => pattern.test(name));
  return derivedName(known ? name.replace(known, "") : name, format === "jpeg" ? ".jpg" : `.${format}`);
}
