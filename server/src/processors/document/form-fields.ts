import type { PDFPageProxy } from "pdfjs-dist";

/** A field of a form, as its pages show it. */
export interface FormField {
  readonly name: string;
  readonly type: "text" | "checkbox" | "radio" | "choice" | "signature";
  /** checkbox: true or false; where several have one name, what the chosen one stands for. choice with many: a list. */
  readonly value: string | boolean | readonly string[] | null;
  /** What the form says the field is for (its tooltip). */
  readonly label: string | null;
  readonly page: number;
  readonly required: boolean;
  readonly read_only: boolean;
  /** What may be chosen. */
  readonly options?: readonly string[];
}

/** One place where a field shows on a page. */
export interface Widget {
  readonly field: string;
  readonly type: FormField["type"];
  readonly value: FormField["value"];
  readonly label: string | null;
  readonly required: boolean;
  readonly readOnly: boolean;
  readonly hidden: boolean;
  readonly options: readonly string[];
  /** Of a checkbox or radio button: what it stands for, and whether it is the chosen one. */
  readonly stands: string | undefined;
  readonly chosen: boolean;
  /** Left, bottom, right, top, in the page's own units. */
  readonly rect: readonly [number, number, number, number];
}

/** The widgets of a page that hold a value. Push buttons have none. */
export async function widgetsOf(page: PDFPageProxy): Promise<Widget[]> {
  const annotations: readonly unknown[] = await page.getAnnotations({ intent: "display" });
  return annotations.flatMap((annotation) => widgetOf(annotation) ?? []);
}

/** Fields in the order in which they come first, page by page. */
export function fieldsOf(pages: readonly { readonly number: number; readonly widgets: readonly Widget[] }[]): FormField[] {
  const byName = new Map<string, { page: number; widgets: Widget[] }>();
  for (const { number, widgets } of pages) {
    for (const widget of widgets) {
      const known = byName.get(widget.field) ?? { page: number, widgets: [] };
      known.widgets.push(widget);
      byName.set(widget.field, known);
    }
  }
  return [...byName.values()].flatMap(({ page, widgets }) => fieldOf(page, widgets) ?? []);
}

function fieldOf(page: number, widgets: readonly Widget[]): FormField | undefined {
  const [first] = widgets;
  if (!first) return undefined;
  const isButton = first.type === "radio" || (first.type === "checkbox" && widgets.length > 1);
  const value = isButton ? (widgets.find((widget) => widget.chosen)?.stands ?? null) : first.value;
  const options = isButton ? [...new Set(widgets.flatMap((widget) => widget.stands ?? []))] : first.options;
  return {
    name: first.field,
    type: first.type,
    value,
    label: first.label,
    page,
    required: widgets.some((widget) => widget.required),
    read_only: widgets.every((widget) => widget.readOnly),
    ...(options.length > 0 && { options }),
  };
}

function widgetOf(annotation: unknown): Widget | undefined {
  const read = readerOf(annotation);
  const field = read("fieldName");
  const type = typeOf(read);
  if (read("subtype") !== "Widget" || typeof field !== "string" || field === "" || type === undefined) return undefined;
  const stands = asText(type === "radio" ? read("buttonValue") : read("exportValue"));
  const value = read("fieldValue");
  const chosen = stands !== undefined && stands !== OFF && stands === asText(value);
  return {
    field,
    type,
    value: type === "checkbox" ? chosen : valueOf(type, value, read("multiSelect") === true),
    label: asText(read("alternativeText")) || null,
    required: read("required") === true,
    readOnly: read("readOnly") === true,
    hidden: read("hidden") === true,
    options: type === "choice" ? optionsOf(read("options")) : [],
    stands,
    chosen,
    rect: rectOf(read("rect")),
  };
}

/** The state of a button that is not chosen (ISO 32000-2, 12.7.5.2.3). */
const OFF = "Off";

type Read = (key: string) => unknown;

function readerOf(value: unknown): Read {
  return (key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined);
}

function typeOf(read: Read): FormField["type"] | undefined {
  switch (read("fieldType")) {
    case "Tx":
      return "text";
    case "Ch":
      return "choice";
    case "Sig":
      return "signature";
    case "Btn":
      return read("checkBox") === true ? "checkbox" : read("radioButton") === true ? "radio" : undefined;
    default:
      return undefined;
  }
}

function valueOf(type: FormField["type"], value: unknown, isMany: boolean): FormField["value"] {
  if (type === "signature") return null;
  const texts = (Array.isArray(value) ? value : [value]).flatMap((entry) => asText(entry) ?? []);
  if (type === "choice" && isMany) return texts;
  const [text] = texts;
  if (text === undefined) return type === "text" ? "" : null;
  return text.replaceAll(/\r\n?/g, "\n");
}

function optionsOf(options: unknown): string[] {
  if (!Array.isArray(options)) return [];
  return options.flatMap((option: unknown) => asText(readerOf(option)("exportValue")) ?? []);
}

function rectOf(rect: unknown): Widget["rect"] {
  const [left = 0, bottom = 0, right = 0, top = 0] = Array.isArray(rect) ? rect.map(Number) : [];
  return [left, bottom, right, top];
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
