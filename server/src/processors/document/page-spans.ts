import type { PDFPageProxy } from "pdfjs-dist";
import type { Widget } from "./form-fields.ts";
import type { Span } from "./reading-order.ts";

type Matrix = readonly [number, number, number, number, number, number];

/** Letters of a field whose own size nobody knows. */
const FIELD_TEXT = 12;

/** The pieces of text of a page, as it is turned for reading, with the values of its form where they stand. */
export async function spansOf(page: PDFPageProxy, widgets: readonly Widget[]): Promise<Span[]> {
  const upright = matrixOf(page.getViewport({ scale: 1 }).transform);
  const { items } = await page.getTextContent();
  const written = items.flatMap((item): Span[] => {
    if (!("str" in item)) return [];
    const { transform, width, height: given } = item;
    const [a, b, , , x, y] = times(upright, matrixOf(transform));
    const height = given || Math.hypot(a, b);
    // Letters that climb or fall stand in no line with others; their box is as wide as they are high.
    const isLevel = Math.abs(b) <= Math.abs(a);
    const reach = isLevel ? width : height;
    return [{ text: item.str, left: x, right: x + reach, baseline: y, height, isRightToLeft: item.dir === "rtl" }];
  });
  return [...written, ...widgets.filter((widget) => !widget.hidden).flatMap((widget) => fieldSpans(upright, widget))];
}

/** A line of the value after the other, from the top of its box on; one alone stands in the middle. */
function fieldSpans(upright: Matrix, widget: Widget): Span[] {
  const [left, bottom, right, top] = widget.rect;
  const [x1, y1] = point(upright, left, bottom);
  const [x2, y2] = point(upright, right, top);
  const box = { left: Math.min(x1, x2), right: Math.max(x1, x2), top: Math.min(y1, y2), bottom: Math.max(y1, y2) };
  const lines = textOf(widget).split("\n");
  const height = Math.min(FIELD_TEXT, (box.bottom - box.top) / lines.length || FIELD_TEXT);
  const first = lines.length === 1 ? (box.top + box.bottom + 0.7 * height) / 2 : box.top + height;
  return lines.map((text, index) => ({ text, left: box.left, right: box.right, baseline: first + index * height, height }));
}

function textOf({ type, value, chosen }: Widget): string {
  if (type === "checkbox") return chosen ? "[x]" : "[ ]";
  if (type === "radio") return chosen ? "(x)" : "( )";
  return Array.isArray(value) ? value.join("\n") : String(value ?? "");
}

function point([a, b, c, d, e, f]: Matrix, x: number, y: number): [number, number] {
  return [a * x + c * y + e, b * x + d * y + f];
}

function times([a, b, c, d, e, f]: Matrix, [g, h, i, j, k, l]: Matrix): Matrix {
  return [a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * l + e, b * k + d * l + f];
}

function matrixOf(values: readonly unknown[]): Matrix {
  const [a = 1, b = 0, c = 0, d = 1, e = 0, f = 0] = values.map(Number);
  return [a, b, c, d, e, f];
}
