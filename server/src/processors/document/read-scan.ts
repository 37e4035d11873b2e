import { openImage, unreadable } from "../image/open-image.ts";
import { BadInput, type InputFile } from "../processor.ts";
import type { DocumentContent, PageText, Reading } from "./read-pdf.ts";
import { readPicture } from "./read-picture.ts";

/** Letters of photos and of screens are too small for OCR, which wants 20 pixels of height: pictures below that are enlarged. */
const MIN_SIDE = 2_000;
const MAX_ENLARGEMENT = 3;
/** As many as a page that is drawn may have: with more, reading takes longer, half a gigabyte, and finds no more. */
const MAX_READ_PIXELS = 25_000_000;

/** The text of a scan or a photo; of a TIFF page by page. Rejects BadInput as openImage does. */
export async function readScan(input: InputFile, { params, maxBytes, signal, progress }: Reading): Promise<DocumentContent> {
  if (input.sizeBytes > maxBytes) {
    throw new BadInput("limit_exceeded", `"${input.name}" has ${input.sizeBytes} bytes; at most ${maxBytes} are read (max_size).`);
  }
  const { header } = await openImage(input, params.max_pixels);
  // Of an animation the first frame is read.
  const count = header.format === "tiff" ? (header.pages ?? 1) : 1;
  if (count > params.max_pages) {
    throw new BadInput("limit_exceeded", `"${input.name}" has ${count} pages; at most ${params.max_pages} are read (max_pages).`);
  }
  const pages: PageText[] = [];
  for (let number = 1; number <= count; number++) {
    signal.throwIfAborted();
    pages.push(await readPage(input, { number, params, signal }));
    progress(number / count);
  }
  return { pages, fields: [] };
}

interface ScanPage extends Pick<Reading, "params" | "signal"> {
  readonly number: number;
}

async function readPage(input: InputFile, { number, params, signal }: ScanPage): Promise<PageText> {
  if (params.ocr === "never") return { number, source: "empty", text: "" };
  const { text, confidence } = await readPicture(await upright(input, { page: number - 1, params }), { ...params, signal });
  const read = text.trim();
  return { number, source: read === "" ? "empty" : "ocr", text: read, ...(read !== "" && { confidence: Math.round(confidence) }) };
}

async function upright(input: InputFile, { page, params }: { page: number } & Pick<Reading, "params">): Promise<Buffer> {
  const { image, header } = await openImage(input, params.max_pixels, page);
  const { width, height } = header.autoOrient;
  const longest = Math.max(width, height);
  const wanted = longest < MIN_SIDE ? Math.min(MIN_SIDE, longest * MAX_ENLARGEMENT) : longest;
  const side = Math.max(1, Math.round(Math.min(wanted, longest * Math.sqrt(MAX_READ_PIXELS / (width * height)))));
  return await image
    .autoOrient()
    .resize({ width: side, height: side, fit: "inside" })
    .flatten({ background: "#ffffff" })
    .greyscale()
    .png({ compressionLevel: 1 })
    .toBuffer()
    .catch((cause: unknown) => {
      throw unreadable(input, cause);
    });
}
