/**
 * Makes the documents of this folder again: invented filings of an invented company. Needs nothing but the packages of
 * this project; texts and dates are always the same, the picture's bytes depend on the version of its encoder.
 *
 *   node samples/make-documents.ts
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PDFDocument, StandardFonts } from "@cantoo/pdf-lib";
import sharp from "sharp";
import { makePdf, picturesOf } from "../server/test/processors/pdfs.ts";

const folder = join(import.meta.dirname, "documents");
const WHEN = new Date("2020-09-30T00:00:00Z");
const A4: [number, number] = [595, 842];

const COMPANY: readonly (readonly [title: string, value: string])[] = [
  ["Company name", "SMART SYSTEMS PRIVATE LIMITED"],
  ["Corporate identity number", "L48213MH1999PLC104728"],
  ["Financial year", "2019 to 2020"],
];

await mkdir(folder, { recursive: true });
await writeFile(join(folder, "annual-report-form.pdf"), await annualReport());
await writeFile(join(folder, "board-resolution-scan.pdf"), await boardResolution());

/** A form that is filled in: its values are fields and not part of the page's text. */
async function annualReport(): Promise<Uint8Array> {
  const document = await newDocument("Annual Report");
  const font = await document.embedFont(StandardFonts.Helvetica);
  const page = document.addPage(A4);
  const form = document.getForm();
  page.drawText("ANNUAL REPORT", { x: 56, y: 776, size: 18, font });
  const rows = [...COMPANY, ["Revenue", "INR 48,21,09,000"], ["Employees", "312"], ["Chairperson", "Leela Nair"]] as const;
  rows.forEach(([title, value], index) => {
    const y = 730 - index * 34;
    page.drawText(title, { x: 56, y: y + 5, size: 11, font });
    const field = form.createTextField(title.toLowerCase().replaceAll(" ", "_"));
    field.setText(value);
    field.addToPage(page, { x: 220, y, width: 310, height: 20, font });
  });
  page.drawText("Audited", { x: 56, y: 524, size: 11, font });
  const audited = form.createCheckBox("audited");
  audited.addToPage(page, { x: 220, y: 520, width: 15, height: 15 });
  audited.check();
  return await document.save();
}

/** A page that is a picture and nothing else, a little askew and in shades of grey, as it comes from a scanner. */
async function boardResolution(): Promise<Uint8Array> {
  const lines = [
    ...COMPANY.map(([title, value]) => `${title}: ${value}`),
    "",
    "At a meeting that was held on 14 August 2020, where the directors who are",
    "named below were present, the board of the company has resolved that",
    "",
    "1. the accounts for the year are approved as they were laid before it;",
    "2. Rao and Mehta, chartered accountants, are appointed as auditors;",
    "3. the registered office is moved to 221 Station Road, Pune.",
    "",
    "Votes in favour: 7. Votes against: none.",
    "",
    "Asha Rao, Ravi Iyer, Meera Mehta, Arjun Nair",
  ];
  const page = await makePdf(({ text }) => {
    text("BOARD RESOLUTION BR-2020-17", 56, 776, 18);
    lines.forEach((line, index) => text(line, 56, 730 - index * 24, 12));
  });
  const [picture] = await picturesOf(page, 200);
  const askew = await sharp(picture).rotate(0.4, { background: "#ffffff" }).blur(0.6).linear(0.9, 12).jpeg({ quality: 60, mozjpeg: true }).toBuffer();
  const document = await newDocument("Board resolution");
  const image = await document.embedJpg(askew);
  document.addPage(A4).drawImage(image, { x: 0, y: 0, width: A4[0], height: A4[1] });
  return await document.save();
}

async function newDocument(title: string): Promise<PDFDocument> {
  const document = await PDFDocument.create({ updateMetadata: false });
  document.setTitle(title);
  document.setCreationDate(WHEN);
  document.setModificationDate(WHEN);
  return document;
}
