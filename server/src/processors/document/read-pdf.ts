import type { PDFPageProxy } from "pdfjs-dist";
import type { InputFile } from "../processor.ts";
import { fieldsOf, widgetsOf, type FormField, type Widget } from "./form-fields.ts";
import { ofPdf, openPdf, type OpenPdf } from "./open-pdf.ts";
import { spansOf } from "./page-spans.ts";
import { readPicture } from "./read-picture.ts";
import { inReadingOrder } from "./reading-order.ts";
import { hasPicture, renderPage } from "./render-page.ts";
import { grey } from "./grey.ts";

export interface PageText {
  readonly number: number;
  /** text: written in the document. ocr: read from its picture. empty: there is nothing on it that could be read. */
  readonly source: "text" | "ocr" | "empty";
  readonly text: string;
  /** 0–100, of ocr. */
  readonly confidence?: number;
}

export interface DocumentContent {
  readonly pages: readonly PageText[];
  readonly fields: readonly FormField[];
}

export interface Reading {
  readonly params: {
    readonly ocr: "auto" | "never" | "always";
    readonly languages: readonly string[];
    readonly dpi: number;
    readonly max_pages: number;
    readonly max_pixels: number;
  };
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly progress: (fraction: number) => void;
}

/**
 * A page with fewer letters and digits than that has no text to speak of: scanners stamp numbers on pages, and a picture
 * may have a caption.
 */
const FEW_LETTERS = 16;

/** The text of a PDF, page by page. Rejects BadInput as openPdf does. */
export async function readPdf(input: InputFile, reading: Reading): Promise<DocumentContent> {
  const { params, maxBytes, signal } = reading;
  await using pdf = await openPdf(input, { maxBytes, maxPages: params.max_pages, signal });
  const pages: PageText[] = [];
  const forms: { number: number; widgets: readonly Widget[] }[] = [];
  await pdf.eachPage(async (page, number) => {
    const widgets = await ofPdf(input, () => widgetsOf(page));
    forms.push({ number, widgets });
    const written = params.ocr === "always" ? "" : inReadingOrder(await ofPdf(input, () => spansOf(page, widgets)));
    pages.push(await readPage({ input, pdf, page, number, written }, reading));
    reading.progress(number / pdf.pageCount);
  });
  return { pages, fields: fieldsOf(forms) };
}

interface Page {
  readonly input: InputFile;
  readonly pdf: OpenPdf;
  readonly page: PDFPageProxy;
  readonly number: number;
  readonly written: string;
}

async function readPage({ input, pdf, page, number, written }: Page, { params, signal }: Reading): Promise<PageText> {
  const hasText = (written.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= FEW_LETTERS;
  const asWritten: PageText = { number, source: written === "" ? "empty" : "text", text: written };
  if (params.ocr === "never" || (params.ocr === "auto" && hasText)) return asWritten;
  if (params.ocr === "auto" && !(await ofPdf(input, () => hasPicture(page)))) return asWritten;
  const picture = await ofPdf(input, () => renderPage(pdf.document, page, params.dpi));
  const { text, confidence } = await readPicture(await grey(picture), { ...params, signal });
  const read = text.trim();
  return read === "" ? asWritten : { number, source: "ocr", text: read, confidence: Math.round(confidence) };
}
