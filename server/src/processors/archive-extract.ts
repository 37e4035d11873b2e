import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parseSize } from "@filemill/contract/parse-units.ts";
import { Size } from "@filemill/contract/units.ts";
import { z } from "zod";
import { declareProcessor } from "./processor.ts";
import { openZip, type ExtractLimits } from "./zip/open-zip.ts";
import { createUniqueNames } from "./zip/plain-names.ts";
import { SNIFF_BYTES, sniffMediaType } from "./zip/sniff-media-type.ts";

const MAX_FILES = 10_000;
const MAX_TOTAL = "16GiB";
const MAX_RATIO = 1_000;

const size = (title: string, description: string) =>
  Size.refine((text) => parseSize(text) <= parseSize(MAX_TOTAL), `must be at most ${MAX_TOTAL}`).meta({ title, description });

const params = z.strictObject({
  max_total: size("All together", "Unpacked size of all files.").default("1GiB"),
  max_file: size("One file", "Unpacked size of one file.").default("512MiB"),
  max_files: z.int().min(1).max(MAX_FILES).default(1_000).meta({ title: "Files", description: "Entries in the archive." }),
  max_ratio: z
    .number()
    .min(1)
    .max(MAX_RATIO)
    .default(200)
    .meta({ title: "Ratio", description: "Unpacked size over packed size, looked at once a file is larger than 1 MiB." }),
});

export const archiveExtract = declareProcessor({
  name: "archive.extract",
  version: "1",
  title: "Unpack a zip",
  description:
    "Makes a file of every regular file in a zip. Folders, links and devices are left out, archives inside stay packed, and names lose their folders. Sizes are counted on the bytes that come out, whatever the headers say.",
  kind: "map",
  emits: "many",
  accepts: ["application/zip"],
  produces: ["*/*"],
  params,
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 900_000, outputBytes: parseSize(MAX_TOTAL), outputFiles: MAX_FILES },
  example: { max_total: "1GiB", max_files: 1000 },
  codec: true,
  cacheable: { by: "content" },
  async run({ params, inputs, signal, output, progress }) {
    const limits: ExtractLimits = {
      totalBytes: parseSize(params.max_total),
      fileBytes: parseSize(params.max_file),
      files: params.max_files,
      ratio: params.max_ratio,
    };
    for (const input of inputs) {
      await using zip = await openZip(input, limits);
      const entries = await zip.listRegularFiles();
      const uniqueName = createUniqueNames();
      for (const [index, entry] of entries.entries()) {
        const { head, content } = await peek(zip.read(entry), SNIFF_BYTES);
        const name = uniqueName(entry.name);
        const path = output({ name, mediaType: await sniffMediaType(name, head) });
        await pipeline(content, createWriteStream(path, { flags: "wx" }), { signal });
        progress((index + 1) / entries.length);
      }
    }
  },
});

/** The first bytes of a stream, and the whole of it. */
async function peek(source: AsyncGenerator<Buffer>, bytes: number): Promise<{ head: Buffer; content: AsyncGenerator<Buffer> }> {
  const chunks: Buffer[] = [];
  let held = 0;
  while (held < bytes) {
    const next = await source.next();
    if (next.done) break;
    chunks.push(next.value);
    held += next.value.length;
  }
  const head = Buffer.concat(chunks);
  async function* content(): AsyncGenerator<Buffer> {
    try {
      if (head.length > 0) yield head;
      yield* source;
    } finally {
      await source.return(undefined);
    }
  }
  return { head, content: content() };
}
