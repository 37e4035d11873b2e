import type { Context } from "../context.ts";

/** `json` is what --json prints; `text` is made only when people read. */
export function printResult(context: Context, options: { json?: boolean }, result: { json: unknown; text: () => string[] }): void {
  const lines = options.json ? [JSON.stringify(result.json, null, 2)] : result.text();
  if (lines.length > 0) context.stdout.write(`${lines.map(printable).join("\n")}\n`);
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [header, ...rows];
  const widths = header.map((_title, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

export function when(iso: string | null): string {
  return iso === null ? "–" : iso.replace("T", " ").replace(/(?:\.\d+)?Z$/, "");
}

/** Names of files come from strangers: control characters (an escape sequence could repaint the terminal) are shown as �. */
export function printable(text: string): string {
  return text.replace(/(?![\t\n])\p{Cc}/gu, "\ufffd");
}
