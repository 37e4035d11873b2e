import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { PDFDocumentProxy, PDFPageProxy } from "pdfjs-dist";
import { BadInput, type InputFile } from "../processor.ts";

export interface OpenPdf extends AsyncDisposable {
  readonly document: PDFDocumentProxy;
  readonly pageCount: number;
  /** Calls `use` with each page in turn, numbered from 1; pages are let go of afterwards. */
  eachPage(use: (page: PDFPageProxy, number: number) => Promise<void>): Promise<void>;
}

export interface PdfLimits {
  /** The whole file is held in memory: its parts lie anywhere in it. */
  readonly maxBytes: number;
  readonly maxPages: number;
  readonly signal: AbortSignal;
}

/** What pdf.js may take an image in a page for; larger ones are left out. Bytes of its canvas are four times that. */
const MAX_IMAGE_PIXELS = 50_000_000;

/**
 * Opens a PDF with pdf.js, which runs no script of it and has no way out. BadInput: `limit_exceeded` for size and number of
 * pages, `encrypted` where it takes a password to read, `corrupt` where it can't be read.
 */
export async function openPdf(input: InputFile, limits: PdfLimits): Promise<OpenPdf> {
  if (input.sizeBytes > limits.maxBytes) {
    throw new BadInput("limit_exceeded", `"${input.name}" has ${input.sizeBytes} bytes; at most ${limits.maxBytes} are read (max_size).`);
  }
  // The build for engines without the newest functions; the other one is for browsers of today.
  const pdfjs = await import("pdfjs-dist/legacy/build/pdf.mjs");
  const home = dirname(createRequire(import.meta.url).resolve("pdfjs-dist/package.json"));
  const loading = pdfjs.getDocument({
    data: new Uint8Array(await readFile(input.path)),
    verbosity: pdfjs.VerbosityLevel.ERRORS,
    disableFontFace: true,
    useSystemFonts: false,
    standardFontDataUrl: join(home, "standard_fonts/"),
    cMapUrl: join(home, "cmaps/"),
    cMapPacked: true,
    wasmUrl: join(home, "wasm/"),
    iccUrl: join(home, "iccs/"),
    maxImageSize: MAX_IMAGE_PIXELS,
    canvasMaxAreaInBytes: 4 * MAX_IMAGE_PIXELS,
  });
  const document = await loading.promise.catch(async (cause: unknown) => {
    await loading.destroy();
    throw unreadable(input, cause);
  });
  const dispose = async (): Promise<void> => await loading.destroy();
  if (document.numPages > limits.maxPages) {
    await dispose();
    throw new BadInput(
      "limit_exceeded",
      `"${input.name}" has ${document.numPages} pages; at most ${limits.maxPages} are read (max_pages).`,
    );
  }
  return {
    document,
    pageCount: document.numPages,
    async eachPage(use) {
      for (let number = 1; number <= document.numPages; number++) {
        limits.signal.throwIfAborted();
        const page = await ofPdf(input, () => document.getPage(number));
        await use(page, number);
        page.cleanup();
      }
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** What pdf.js throws in the middle of a damaged document may be any error; memory that runs out is not the document's. */
export async function ofPdf<T>(input: InputFile, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof RangeError && cause.message.includes("allocation failed")) throw cause;
    throw unreadable(input, cause);
  }
}

function unreadable(input: InputFile, cause: unknown): BadInput {
  if (cause instanceof BadInput) return cause;
  const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
  if (name === "PasswordException") {
    return new BadInput("encrypted", `"${input.name}" takes a password to be read. Send it without one.`, { cause });
  }
  return new BadInput("corrupt", `"${input.name}" can't be read as a PDF: ${message}.`, { cause });
}
