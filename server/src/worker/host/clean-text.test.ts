import fc from "fast-check";
import { expect, test } from "vitest";
import { cleanMediaType, cleanName, cleanText } from "./clean-text.ts";

test.each([
  ["a\u0000b", "ab"],
  ["half \ud83d", "half \ufffd"],
  ["one\ttwo\r\nthree", "one two three"],
  ["\u001b[31mred\u009b", "[31mred"],
  ["plain é 😀", "plain é 😀"],
])("%j becomes %j", (text, expected) => {
  expect(cleanText(text, 100)).toBe(expected);
});

test("a long text is cut between characters, never in one", () => {
  const cut = cleanText("😀".repeat(1_000), 300);
  expect([...cut]).toHaveLength(300);
  expect(cut.endsWith("😀…")).toBe(true);
  expect(cut.isWellFormed()).toBe(true);
});

test("whatever a text is, what is left can be recorded and fits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 1_500 }), fc.array(fc.integer({ min: 0, max: 0xff_ff })), (text, units) => {
      const wild = text + String.fromCharCode(...units);
      const [message, name] = [cleanText(wild, 300), cleanName(wild)];
      for (const clean of [message, name]) expect(clean.isWellFormed() && !/\p{Cc}/u.test(clean)).toBe(true);
      expect([...message].length).toBeLessThanOrEqual(300);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(1_024);
      expect(name).not.toBe("");
    }),
    { numRuns: 30 },
  );
});

test("a name of four-byte characters fits its column as well", () => {
  const name = cleanName("😀".repeat(1_000));
  expect(Buffer.byteLength(name)).toBeLessThanOrEqual(1_024);
  expect(name).toMatch(/^(?:😀)+…$/u);
});

test.each([
  ["image/svg+xml", "image/svg+xml"],
  ["text/plain; charset=utf-8", "text/plain; charset=utf-8"],
  ["text/\u0000x", "application/octet-stream"],
  ["", "application/octet-stream"],
  [`text/${"x".repeat(300)}`, "application/octet-stream"],
])("the media type %j becomes %j", (told, expected) => {
  expect(cleanMediaType(told)).toBe(expected);
});
