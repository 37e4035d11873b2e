import type { PDFDocumentProxy, PDFPageProxy } from "pdfjs-dist";

export interface PagePicture {
  readonly width: number;
  readonly height: number;
  /** Four bytes a pixel: red, green, blue, opacity. */
  readonly pixels: Buffer;
}

/** A page of 300 dpi in A3 has 17 million; more would only be read more slowly. */
const MAX_PIXELS = 25_000_000;
const POINTS_PER_INCH = 72;

/** Draws a page at this resolution, or at what its size allows, with its form as it is filled in. */
export async function renderPage(document: PDFDocumentProxy, page: PDFPageProxy, dpi: number): Promise<PagePicture> {
  const { width, height } = page.getViewport({ scale: 1 });
  const scale = Math.min(dpi / POINTS_PER_INCH, Math.sqrt(MAX_PIXELS / (width * height)));
  const viewport = page.getViewport({ scale });
  const size = { width: Math.max(1, Math.floor(viewport.width)), height: Math.max(1, Math.floor(viewport.height)) };
  const factory = factoryOf(document);
  const surface = factory.create(size.width, size.height);
  try {
    await page.render({ canvas: null, canvasContext: surface.context, viewport, background: "#ffffff" }).promise;
    const { data } = surface.context.getImageData(0, 0, size.width, size.height);
    return { ...size, pixels: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
  } finally {
    factory.destroy(surface);
  }
}

/** Is anything drawn on it but text? A page that is empty need not be read from a picture. */
export async function hasPicture(page: PDFPageProxy): Promise<boolean> {
  const { OPS } = await import("pdfjs-dist/legacy/build/pdf.mjs");
  const { fnArray } = await page.getOperatorList();
  const paints: ReadonlySet<number> = new Set([
    ...[OPS.paintImageXObject, OPS.paintInlineImageXObject, OPS.paintImageMaskXObject, OPS.paintImageXObjectRepeat],
    ...[OPS.paintInlineImageXObjectGroup, OPS.paintImageMaskXObjectGroup, OPS.paintImageMaskXObjectRepeat],
    ...[OPS.shadingFill, OPS.constructPath],
  ]);
  return fnArray.some((operator: number) => paints.has(operator));
}

/** pdf.js brings its own canvas (@napi-rs/canvas, Skia) where there is no browser, but not its type. */
interface CanvasFactory {
  create(width: number, height: number): Surface;
  destroy(surface: Surface): void;
}

interface Surface {
  readonly context: {
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  };
}

function factoryOf(document: PDFDocumentProxy): CanvasFactory {
  const factory = document.canvasFactory;
  if (!isFactory(factory)) throw new Error("pdf.js has no canvas here; its optional package @napi-rs/canvas is not installed");
  return factory;
}

function isFactory(value: object): value is CanvasFactory {
  return "create" in value && typeof value.create === "function" && "destroy" in value;
}
