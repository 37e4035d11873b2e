import { expect, test } from "vitest";
import { inReadingOrder, type Span } from "./reading-order.ts";

/** Letters 6 wide and 10 high. */
const at = (text: string, left: number, baseline: number): Span => ({ text, left, right: left + text.length * 6, baseline, height: 10 });

/** The same on every run, and no order that means anything. */
function shuffled(spans: readonly Span[]): Span[] {
  return spans.toSorted((one, other) => one.text.length - other.text.length || (one.text < other.text ? 1 : -1));
}

test("lines come from the top to the bottom, however they were drawn", () => {
  const spans = [at("first", 50, 100), at("second", 50, 112), at("third", 50, 150)];
  expect(inReadingOrder(spans.toReversed())).toBe("first\nsecond\n\nthird");
});

test("pieces of a line are joined as far apart as they stand", () => {
  expect(inReadingOrder([at("pie", 0, 0), at("ces", 18, 1), at("of", 40, 0), at("cells", 150, 0)])).toBe("pieces of  cells");
});

const LEFT = ["The company has in this year", "gone on with what it began", "and looks with confidence at", "the years that are to come."];
const RIGHT = [
  "Of its offices three moved to",
  "larger buildings, and one was",
  "closed, as those who worked in",
  "it have found other places.",
];

test("columns of prose are read one after the other, below their heading", () => {
  const spans = [
    at("A heading over both of the columns, which is longer than either", 50, 60),
    ...LEFT.map((text, line) => at(text, 50, 100 + line * 12)),
    ...RIGHT.map((text, line) => at(text, 260, 100 + line * 12)),
    at("A last line below both of the columns, which is just as long", 50, 200),
  ];
  const [heading, last] = [spans[0]?.text, spans.at(-1)?.text];
  expect(inReadingOrder(shuffled(spans))).toBe([heading, "", ...LEFT, "", ...RIGHT, "", last].join("\n"));
});

test("also where their lines do not stand side by side", () => {
  const spans = [...LEFT.map((text, line) => at(text, 50, 100 + line * 12)), ...RIGHT.map((text, line) => at(text, 260, 106 + line * 12))];
  expect(inReadingOrder(shuffled(spans))).toBe([...LEFT, "", ...RIGHT].join("\n"));
});

test("rows of a table stay rows", () => {
  const rows = ["Revenue", "Costs", "Profit", "Tax", "Net"].map((text, line) => [
    at(text, 50, 100 + line * 12),
    at(`${line}00`, 300, 100 + line * 12),
  ]);
  expect(inReadingOrder(shuffled(rows.flat()))).toBe("Revenue  000\nCosts  100\nProfit  200\nTax  300\nNet  400");
});

test("a line of a script that runs from right to left begins at the right", () => {
  const rtl = (text: string, left: number): Span => ({ ...at(text, left, 0), isRightToLeft: true });
  expect(inReadingOrder([rtl("שלום", 100), rtl("עולם", 70)])).toBe("שלום עולם");
});

test("nothing is nothing", () => {
  expect(inReadingOrder([])).toBe("");
  expect(inReadingOrder([at("  ", 0, 0)])).toBe("");
});

test("ten thousand pieces take no time to speak of", () => {
  const spans = Array.from({ length: 10_000 }, (_unused, index) => at(`word${index}`, (index % 100) * 50, Math.floor(index / 100) * 12));
  const started = performance.now();
  inReadingOrder(spans);
  expect(performance.now() - started).toBeLessThan(2_000);
});
