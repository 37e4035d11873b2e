import fc from "fast-check";
import { expect, test } from "vitest";
import { BadInput } from "../processor.ts";
import { createNumberScanner } from "./number-scanner.ts";

function scan(...chunks: Uint8Array[]): (number | bigint)[] {
  const seen: (number | bigint)[] = [];
  const take = (value: number | bigint) => void seen.push(value);
  const scanner = createNumberScanner("x", { small: (values, count) => values.slice(0, count).forEach(take), large: take, decimal: take });
  for (const chunk of chunks) scanner.scan(chunk);
  scanner.end();
  return seen;
}

test("numbers may be cut anywhere between two chunks", () => {
  const bytes = Buffer.from("12 -34 12345678901234567890 5 -0.25e+2 007.5 1e-3");
  for (let cut = 0; cut <= bytes.length; cut++) {
    expect(scan(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([12, -34, 12345678901234567890n, 5, -25, 7.5, 0.001]);
  }
});

test("whatever is written as a number is read as it", () => {
  const number = fc.oneof(fc.integer(), fc.bigInt(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger());
  const separators = fc.constantFrom(" ", "\n", "\r\n", "\t ", "  ");
  fc.assert(
    fc.property(fc.array(fc.tuple(number, separators)), fc.nat(), (given, cutAt) => {
      const text = Buffer.from(given.map(([value, separator]) => `${value}${separator}`).join(""));
      const cut = text.length === 0 ? 0 : cutAt % text.length;
      const read = scan(text.subarray(0, cut), text.subarray(cut));
      expect(read.map(Number)).toEqual(given.map(([value]) => Number(String(value))));
      expect(read.filter((value) => typeof value === "bigint").every((value) => String(value).replace("-", "").length > 15)).toBe(true);
    }),
  );
});

test("nothing but numbers and white space passes, and nothing else is thrown", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."0123456789+-.eE x\n\u0000é") }), (text) => {
      const tokens = text.split(/\s+/).filter((token) => token !== "");
      const isFine = tokens.every((token) => /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(token) && Number.isFinite(Number(token)));
      const run = () => scan(Buffer.from(text));
      // An integer has no -0.
      if (isFine) expect(run().map((value) => Number(value) + 0)).toEqual(tokens.map((token) => Number(token) + 0));
      else expect(run).toThrow(BadInput);
    }),
    { numRuns: 2_000 },
  );
});
