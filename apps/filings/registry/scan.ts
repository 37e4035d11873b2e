import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PDFDocument } from "@cantoo/pdf-lib";
import { createCanvas, GlobalFonts } from "@napi-rs/canvas";
import type { Filing } from "./filing.ts";

const A4: [number, number] = [595, 842];
/** Enough for a program that reads letters. */
const DPI = 200;
const SCALE = DPI / 72;
/** Pages lie on a scanner's glass a little askew. */
const ASKEW_RADIANS = 0.004;
const FAMILY = "Scanned Sans";

let hasFont = false;

/** A PDF of one page that is a picture and nothing else, as from a scanner. */
export async function scannedPdf(filing: Filing): Promise<Uint8Array> {
  const document = await PDFDocument.create({ updateMetadata: false });
  const image = await document.embedJpg(drawPage(filing));
  document.addPage(A4).drawImage(image, { x: 0, y: 0, width: A4[0], height: A4[1] });
  return await document.save();
}

function drawPage({ documentType, fields }: Filing): Buffer {
  loadFont();
  const canvas = createCanvas(Math.round(A4[0] * SCALE), Math.round(A4[1] * SCALE));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fbfaf6";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.rotate(ASKEW_RADIANS);
  context.fillStyle = "#1d1d1f";
  const write = (text: string, { y, size }: { y: number; size: number }) => {
    context.font = `${size * SCALE}px "${FAMILY}"`;
    context.fillText(text, 56 * SCALE, y * SCALE);
  };
  write(documentType.toUpperCase(), { y: 70, size: 18 });
  fields.forEach(([title, value], index) => write(`${title}: ${value}`, { y: 120 + index * 28, size: 12 }));
  return canvas.toBuffer("image/jpeg", 85);
}

/** The font comes with pdfjs-dist, so that pages look the same on machines without any. */
function loadFont(): void {
  if (hasFont) return;
  const folder = dirname(createRequire(import.meta.url).resolve("pdfjs-dist/package.json"));
  const path = join(folder, "standard_fonts", "LiberationSans-Regular.ttf");
  if (GlobalFonts.registerFromPath(path, FAMILY) === null) throw new Error(`${path} is no font; install the packages again (npm ci).`);
  hasFont = true;
}
