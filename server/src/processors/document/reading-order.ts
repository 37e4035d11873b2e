/** A piece of text on a page. The origin is at the top left, y grows downwards. */
export interface Span {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  /** Of the line that the letters stand on. */
  readonly baseline: number;
  /** Of the letters. */
  readonly height: number;
  readonly isRightToLeft?: boolean;
}

/**
 * The text of a page as people read it: from the top to the bottom, and where text stands in columns, one column after
 * the other. A PDF says nothing about that; its pieces come in the order in which some program happened to draw them.
 *
 * Tables look like columns. What tells them apart is that columns of prose have lines long enough to be read alone; cells
 * of a row belong together and stay in one line.
 */
export function inReadingOrder(spans: readonly Span[]): string {
  return paragraphs(orderLines(linesOf(spans.filter((span) => span.text.trim() !== ""))));
}

interface Line {
  readonly spans: readonly Span[];
  readonly baseline: number;
  readonly height: number;
}

/** Pieces whose baselines differ by less than half their height stand in one line. */
function linesOf(spans: readonly Span[]): Line[] {
  const lines: { spans: Span[]; baseline: number; height: number }[] = [];
  for (const span of spans.toSorted((one, other) => one.baseline - other.baseline)) {
    const last = lines.at(-1);
    if (last && span.baseline - last.baseline < Math.min(span.height, last.height) / 2) {
      last.spans.push(span);
      last.height = Math.max(last.height, span.height);
    } else lines.push({ spans: [span], baseline: span.baseline, height: span.height });
  }
  return lines.map((line) => ({ ...line, spans: line.spans.sort((one, other) => one.left - other.left) }));
}

/** Lines that must share a gutter to be columns. */
const COLUMN_LINES = 4;
/** Letters that a line of prose has at the median. */
const PROSE_LETTERS = 14;

function orderLines(lines: readonly Line[]): Line[] {
  const ordered: Line[] = [];
  for (let start = 0; start < lines.length;) {
    const columns = findColumns(lines, start);
    if (columns) {
      ordered.push(...orderLines(columns.left), ...orderLines(columns.right));
      start = columns.end;
    } else {
      const line = lines[start];
      if (line) ordered.push(line);
      start += 1;
    }
  }
  return ordered;
}

interface Columns {
  readonly left: Line[];
  readonly right: Line[];
  /** The first line behind them. */
  readonly end: number;
}

/** The longest block from `start` on that a gutter runs through. */
function findColumns(lines: readonly Line[], start: number): Columns | undefined {
  const window = lines.slice(start, start + COLUMN_LINES);
  if (window.length < COLUMN_LINES) return undefined;
  const gaps = gapsOf(window.flatMap((line) => line.spans)).filter(
    ({ from, to }) => to - from > Math.max(...window.map((line) => line.height)),
  );
  for (const gap of gaps.toSorted((one, other) => other.to - other.from - (one.to - one.from))) {
    const end = endOf(lines, start, gap);
    const block = lines.slice(start, end);
    const left = block.flatMap((line) => side(line, (span) => span.right <= gap.from));
    const right = block.flatMap((line) => side(line, (span) => span.left >= gap.to));
    if (isProse(left) && isProse(right)) return { left, right, end };
  }
  return undefined;
}

interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Stripes from top to bottom in which nothing stands, between what stands furthest left and right. */
function gapsOf(spans: readonly Span[]): Gap[] {
  const gaps: Gap[] = [];
  let reach = Number.NEGATIVE_INFINITY;
  for (const { left, right } of spans.toSorted((one, other) => one.left - other.left)) {
    if (left > reach && reach !== Number.NEGATIVE_INFINITY) gaps.push({ from: reach, to: left });
    reach = Math.max(reach, right);
  }
  return gaps;
}

function endOf(lines: readonly Line[], start: number, { from, to }: Gap): number {
  let end = start;
  while (end < lines.length && lines[end]?.spans.every((span) => span.right <= from || span.left >= to)) end += 1;
  return end;
}

function side(line: Line, belongs: (span: Span) => boolean): Line[] {
  const spans = line.spans.filter(belongs);
  return spans.length === 0 ? [] : [{ ...line, spans }];
}

function isProse(lines: readonly Line[]): boolean {
  if (lines.length < COLUMN_LINES) return false;
  const letters = lines.map((line) => textOf(line).length).sort((one, other) => one - other);
  return (letters[Math.floor(letters.length / 2)] ?? 0) >= PROSE_LETTERS;
}

/** An empty line where the next one stands further down than lines of a paragraph do, and where a new column begins. */
function paragraphs(lines: readonly Line[]): string {
  let text = "";
  let before: Line | undefined;
  for (const line of lines) {
    if (before) {
      const distance = line.baseline - before.baseline;
      text += distance < 0 || distance > 1.8 * Math.max(line.height, before.height) ? "\n\n" : "\n";
    }
    text += textOf(line);
    before = line;
  }
  return text;
}

/** A space where letters stand apart, two where cells do. */
function textOf({ spans }: Line): string {
  const isRightToLeft = spans.filter((span) => span.isRightToLeft).length > spans.length / 2;
  const ordered = isRightToLeft ? spans.toReversed() : spans;
  let text = "";
  let before: Span | undefined;
  for (const span of ordered) {
    const gap = before === undefined ? 0 : Math.max(span.left - before.right, before.left - span.right);
    if (gap > 2 * span.height) text += "  ";
    else if (gap > 0.15 * span.height) text += " ";
    text += span.text;
    before = span;
  }
  return text.trim();
}
