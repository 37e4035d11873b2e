import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { readExif } from "./image/read-exif.ts";
import { openImage, READABLE_TYPES } from "./image/open-image.ts";
import { declareProcessor } from "./processor.ts";

export const imageMetadata = declareProcessor({
  name: "image.metadata",
  version: "1",
  title: "Read image metadata",
  description: "Reads size, format, orientation, colour and EXIF fields of an image into JSON, without decoding its pixels.",
  kind: "map",
  emits: "one",
  accepts: READABLE_TYPES,
  produces: ["application/json"],
  params: z.strictObject({}),
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 30_000, outputBytes: 16 * 2 ** 20, outputFiles: 1 },
  example: {},
  codec: true,
  cacheable: { by: "content_and_names" },
  async run({ inputs, output }) {
    for (const input of inputs) {
      // Nothing is decoded, so that an image of any size can be described.
      const { header } = await openImage(input, Number.POSITIVE_INFINITY);
      const description = {
        name: input.name,
        size_bytes: input.sizeBytes,
        format: header.format,
        media_type: `image/${header.format}`,
        width: header.autoOrient.width,
        height: header.autoOrient.height,
        stored_width: header.width,
        stored_height: header.height,
        orientation: header.orientation ?? 1,
        color_space: header.space,
        channels: header.channels,
        depth: header.depth,
        has_alpha: header.hasAlpha,
        has_color_profile: header.hasProfile,
        density_dpi: header.density ?? null,
        chroma_subsampling: header.chromaSubsampling ?? null,
        progressive: header.isProgressive ?? false,
        frames: header.pages ?? 1,
        exif: header.exif ? await readExif(header.exif) : null,
      };
      await writeFile(
        output({ name: derivedName(input.name, ".metadata.json"), mediaType: "application/json" }),
        `${JSON.stringify(description, undefined, 2)}\n`,
      );
    }
  },
});
