import { writeFile } from "node:fs/promises";
import { parseSize } from "@filemill/contract/parse-units.ts";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { DocumentSize, MaxPages, PDF } from "./document/limits.ts";
import { DEFAULT_MAX_PIXELS } from "./image/open-image.ts";
import { declareProcessor } from "./processor.ts";

/** What people scan and photograph pages into. */
const PICTURES = ["image/png", "image/jpeg", "image/tiff", "image/webp"];

const params = z.strictObject({
  format: z.enum(["text", "json"]).default("text").meta({
    title: "Format",
    description: "text: pages separated by form feeds. json: a page each with where its text is from, and form fields.",
  }),
  ocr: z
    .enum(["auto", "never", "always"])
    .default("auto")
    .meta({ title: "Read pictures", description: "auto: pages that hold no text are read from their picture (OCR)." }),
  languages: z
    .array(z.string().regex(/^[a-z]{3}(?:_[a-z]{3,6})?$/, "must be a language of Tesseract, such as eng"))
    .min(1)
    .max(3)
    .default(["eng"])
    .meta({ title: "Languages", description: "Of pictures; those that are installed, English alone where nobody has added any." }),
  dpi: z
    .int()
    .min(72)
    .max(600)
    .default(300)
    .meta({ title: "Resolution", description: "At which a page is drawn to be read, dots per inch." }),
  max_size: DocumentSize,
  max_pages: MaxPages,
  max_pixels: z
    .int()
    .min(1)
    .max(250_000_000)
    .default(DEFAULT_MAX_PIXELS)
    .meta({ title: "Pixel limit", description: "Pictures with more pixels are refused before they are decoded." }),
});

export const documentText = declareProcessor({
  name: "document.text",
  version: "1",
  title: "Read the text of a document",
  description:
    "Reads the text of a PDF in reading order, with the values of its form where they stand. Pages that are only a picture, and scans and photos of pages, are read by OCR (Tesseract).",
  kind: "map",
  emits: "one",
  accepts: [PDF, ...PICTURES],
  produces: ["text/plain", "application/json"],
  params,
  limits: { memoryBytes: 1.5 * 2 ** 30, wallMs: 900_000, outputBytes: 256 * 2 ** 20, outputFiles: 1 },
  example: { format: "json", ocr: "auto" },
  codec: true,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output, progress }) {
    const { readPdf } = await import("./document/read-pdf.ts");
    const { readScan } = await import("./document/read-scan.ts");
    for (const input of inputs) {
      const reading = { params, maxBytes: parseSize(params.max_size), signal, progress };
      const { pages, fields } = input.mediaType === PDF ? await readPdf(input, reading) : await readScan(input, reading);
      if (params.format === "text") {
        const path = output({ name: derivedName(input.name, ".txt"), mediaType: "text/plain" });
        await writeFile(path, `${pages.map((page) => page.text).join("\n\f")}\n`);
      } else {
        const values = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
        const text = pages.map((page) => page.text).join("\n\n");
        const path = output({ name: derivedName(input.name, ".text.json"), mediaType: "application/json" });
        await writeFile(path, `${JSON.stringify({ name: input.name, text, values, fields, pages }, undefined, 2)}\n`);
      }
    }
  },
});
