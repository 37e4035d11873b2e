import fc from "fast-check";
import { expect, test } from "vitest";
import { divide } from "./divide.ts";

test("quotients of integers are the nearest number", () => {
  const count = fc.integer({ min: 1, max: 1_000_000_000 });
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }), count, (sum, many) => {
      const result = divide(sum, many);
      // Exactly: as fractions with the denominator of both.
      const distance = (value: number) => {
        const scale = 2n ** 300n;
        const exact =
          (BigInt(Math.trunc(value)) * scale + BigInt(Math.round((value - Math.trunc(value)) * 2 ** 60)) * 2n ** 240n) * BigInt(many);
        const error = exact - sum * scale;
        return error < 0n ? -error : error;
      };
      const bytes = new BigInt64Array(new Float64Array([result]).buffer);
      const neighbours = [1n, -1n].map((step) => new Float64Array(new BigInt64Array([(bytes[0] ?? 0n) + step]).buffer)[0] ?? 0);
      if (Math.abs(result) < 1) return;
      for (const other of neighbours) expect(distance(result) <= distance(other)).toBe(true);
    }),
  );
});

test.each([
  [10, 4, 2.5],
  [-9007199254740993n, 1, -9007199254740992],
  [2n ** 60n + 1n, 2, 2 ** 59],
  [9007199254740993n, 3, 3002399751580331],
  [0n, 7, 0],
])("%s / %s = %s", (sum, many, expected) => {
  expect(divide(sum, many)).toBe(expected);
});
