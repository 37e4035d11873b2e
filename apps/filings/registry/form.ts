import { PDFDocument, StandardFonts } from "@cantoo/pdf-lib";
import type { Filing } from "./filing.ts";

const A4: [number, number] = [595, 842];
const LEFT = 56;
const VALUES_LEFT = 220;
const FIRST_LINE = 740;
const LINE = 34;

/** A form of one page: every value is a field that a program can read. The same filing gives the same bytes. */
export async function formPdf(filing: Filing): Promise<Uint8Array> {
  const document = await PDFDocument.create({ updateMetadata: false });
  const font = await document.embedFont(StandardFonts.Helvetica);
  const page = document.addPage(A4);
  document.setTitle(filing.documentType);
  page.drawText(filing.documentType.toUpperCase(), { x: LEFT, y: 786, size: 18, font });
  const form = document.getForm();
  filing.fields.forEach(([title, value], index) => {
    const y = FIRST_LINE - index * LINE;
    page.drawText(title, { x: LEFT, y: y + 5, size: 11, font });
    const field = form.createTextField(title.toLowerCase().replaceAll(" ", "_"));
    field.setText(value);
    field.addToPage(page, { x: VALUES_LEFT, y, width: 320, height: 20, font });
  });
  return await document.save();
}
