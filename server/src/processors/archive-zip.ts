import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { declareProcessor } from "./processor.ts";
import { createUniqueNames } from "./zip/plain-names.ts";

/** The first moment that a zip can express. One date for all makes equal inputs give equal bytes. */
const ZIP_EPOCH = new Date(1980, 0, 1);
/** Deflating these again costs time and gains nothing. */
const PACKED_ALREADY =
  /^(?:image\/(?:jpeg|png|webp|avif|gif|heic)|video\/|audio\/(?!wav)|application\/(?:zip|gzip|zstd|x-7z-compressed|pdf|vnd\.openxml|vnd\.apache\.parquet))/;

const READ_BYTES = 256 * 1024;

const params = z.strictObject({
  name: z.string().min(1).max(200).default("files.zip").meta({ title: "Name", description: "Name of the archive." }),
  compress: z.boolean().default(true).meta({ title: "Compress", description: "Types that are packed already are stored as they are." }),
});

export const archiveZip = declareProcessor({
  name: "archive.zip",
  version: "1",
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
  async run({ params, inputs, signal, output, progress }) {
    const { ZipFile } = await import("yazl");
    const archive = new ZipFile();
    // yazl reports trouble on the archive, not on its stream; the pipeline would wait for ever.
    const failed = new AbortController();
    const fail = (error: Error): void => failed.abort(error);
    archive.on("error", fail);
    const uniqueName = createUniqueNames();
    let packed = 0;
    for (const input of inputs) {
      const options = {
        mtime: ZIP_EPOCH,
        mode: 0o100644,
        size: input.sizeBytes,
        compress: params.compress && !PACKED_ALREADY.test(input.mediaType),
        forceDosTimestamp: true,
      };
      // Lazily: one file is open at a time, however many there are.
      archive.addReadStreamLazy(uniqueName(input.name), options, (give) => {
        progress(packed++ / inputs.length);
        give(null, createReadStream(input.path, { highWaterMark: READ_BYTES }).on("error", fail));
      });
    }
    archive.end();
    const target = createWriteStream(output({ name: params.name, mediaType: "application/zip" }), { flags: "wx" });
    try {
      await pipeline(archive.outputStream, target, { signal: AbortSignal.any([signal, failed.signal]) });
    } catch (error) {
      throw failed.signal.aborted ? failed.signal.reason : error;
    }
  },
});
