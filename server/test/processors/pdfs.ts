import { PDFDocument, StandardFonts, type PDFFont, type PDFPage } from "@cantoo/pdf-lib";
import { renderPage } from "../../src/processors/document/render-page.ts";
import { openPdf } from "../../src/processors/document/open-pdf.ts";
import { grey } from "../../src/processors/document/grey.ts";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const A4: [number, number] = [595, 842];

export interface Draw {
  readonly document: PDFDocument;
  readonly page: PDFPage;
  readonly font: PDFFont;
  /** Left and bottom in points. */
  text(text: string, x: number, y: number, size?: number): void;
}

/** A PDF of one page that `draw` fills, or of several. */
export async function makePdf(...draw: ((on: Draw) => void | Promise<void>)[]): Promise<Buffer> {
  const document = await PDFDocument.create();
  const font = await document.embedFont(StandardFonts.Helvetica);
  for (const one of draw) {
    const page = document.addPage(A4);
    await one({ document, page, font, text: (text, x, y, size = 11) => page.drawText(text, { x, y, size, font }) });
  }
  return Buffer.from(await document.save());
}

/** The filing of a company as a form with a field of every kind. */
export function makeForm(values: { readonly company: string; readonly note?: string }): Promise<Buffer> {
  return makePdf(({ document, page, text }) => {
    const form = document.getForm();
    text("ANNUAL REPORT", 50, 780, 20);
    text("Company name", 50, 740);
    const company = form.createTextField("company_name");
    company.setText(values.company);
    company.enableRequired();
    company.addToPage(page, { x: 180, y: 735, width: 300, height: 18 });
    text("Audited", 50, 703);
    const audited = form.createCheckBox("audited");
    audited.addToPage(page, { x: 180, y: 700, width: 14, height: 14 });
    audited.check();
    form.createCheckBox("amended").addToPage(page, { x: 300, y: 700, width: 14, height: 14 });
    const kind = form.createRadioGroup("kind");
    kind.addOptionToPage("annual", page, { x: 180, y: 670, width: 14, height: 14 });
    kind.addOptionToPage("interim", page, { x: 220, y: 670, width: 14, height: 14 });
    kind.select("interim");
    const type = form.createDropdown("document_type");
    type.addOptions(["Annual Report", "Tax Filing"]);
    type.select("Tax Filing");
    type.addToPage(page, { x: 180, y: 640, width: 150, height: 18 });
    const years = form.createOptionList("years");
    years.addOptions(["2019", "2020", "2021"]);
    years.enableMultiselect();
    years.select(["2019", "2021"]);
    years.addToPage(page, { x: 180, y: 570, width: 150, height: 60 });
    const note = form.createTextField("note");
    note.enableMultiline();
    note.setText(values.note ?? "");
    note.addToPage(page, { x: 180, y: 500, width: 300, height: 60 });
    note.enableReadOnly();
  });
}

/** As from a scanner: every page is a picture of the page, and nothing else. */
export async function scanned(pdf: Buffer, dpi = 300): Promise<{ readonly pdf: Buffer; readonly pictures: readonly Buffer[] }> {
  const pictures = await picturesOf(pdf, dpi);
  const document = await PDFDocument.create();
  for (const picture of pictures) {
    const image = await document.embedPng(picture);
    document.addPage(A4).drawImage(image, { x: 0, y: 0, width: A4[0], height: A4[1] });
  }
  return { pdf: Buffer.from(await document.save()), pictures };
}

/** Its pages as PNG. */
export async function picturesOf(pdf: Buffer, dpi: number): Promise<Buffer[]> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-pdf-"));
  try {
    const path = join(folder, "a.pdf");
    await writeFile(path, pdf);
    const input = { path, name: "a.pdf", sizeBytes: pdf.length, mediaType: "application/pdf" };
    await using open = await openPdf(input, { maxBytes: 2 ** 30, maxPages: 100, signal: new AbortController().signal });
    const pictures: Buffer[] = [];
    await open.eachPage(async (page) => void pictures.push(await grey(await renderPage(open.document, page, dpi))));
    return pictures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** One that takes a password to be read. */
export async function encrypted(pdf: Buffer): Promise<Buffer> {
  const document = await PDFDocument.load(pdf);
  document.encrypt({ userPassword: "only for us", ownerPassword: "only for me" });
  return Buffer.from(await document.save());
}
