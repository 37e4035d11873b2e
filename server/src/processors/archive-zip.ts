import { z } from "zod";
import { declareProcessor } from "./processor.ts";
import { createUniqueNames } from "./zip/plain-names.ts";
import { writeZip } from "./zip/write-zip.ts";

/** Deflating these again costs time and gains nothing. */
const PACKED_ALREADY =
  /^(?:image\/(?:jpeg|png|webp|avif|gif|heic)|video\/|audio\/(?!wav)|application\/(?:zip|gzip|zstd|x-7z-compressed|pdf|vnd\.openxml|vnd\.apache\.parquet))/;

const params = z.strictObject({
  name: z.string().min(1).max(200).default("files.zip").meta({ title: "Name", description: "Name of the archive." }),
  compress: z.boolean().default(true).meta({ title: "Compress", description: "Types that are packed already are stored as they are." }),
});

export const archiveZip = declareProcessor({
  name: "archive.zip",
  version: "2",
  title: "Pack into a zip",
  description: "Puts all files into one zip, in order. Equal names get a number: a.txt, a-2.txt.",
  kind: "gather",
  emits: "one",
  accepts: ["*/*"],
  produces: ["application/zip"],
  params,
  limits: { memoryBytes: 1024 * 2 ** 20, wallMs: 3_600_000, outputBytes: 2 ** 40, outputFiles: 1 },
  example: { name: "photos.zip" },
  codec: false,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output, progress }) {
    const uniqueName = createUniqueNames();
    let packed = 0;
    const files = inputs.values().map(({ name, path, sizeBytes, mediaType }) => {
      const compress = params.compress && !PACKED_ALREADY.test(mediaType);
      return { name: uniqueName(name), path, sizeBytes, compress };
    });
    const path = output({ name: params.name, mediaType: "application/zip" });
    await writeZip(files, { path, signal, done: () => progress(++packed / inputs.length) });
  },
});
