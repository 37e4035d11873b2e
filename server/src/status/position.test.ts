import fc from "fast-check";
import { expect, test } from "vitest";
import { BEGINNING, decodePosition, encodePosition, fromSnapshot, positionsBehind, toSnapshot, type Position } from "./position.ts";

const positions: fc.Arbitrary<Position> = fc
  .record({ xmin: fc.bigInt({ min: 1n, max: 2n ** 40n }), gaps: fc.array(fc.bigInt({ min: 1n, max: 1_000n }), { maxLength: 20 }) })
  .map(({ xmin, gaps }) => {
    const running: bigint[] = [];
    let xid = xmin - 1n;
    for (const gap of gaps) running.push((xid += gap));
    return { xmin, xmax: xid + 1n, running };
  });

test("a position survives its way as an event id and as a snapshot", () => {
  fc.assert(
    fc.property(positions, (position) => {
      expect(decodePosition(encodePosition(position))).toEqual(position);
      expect(fromSnapshot(toSnapshot(position))).toEqual(position);
    }),
  );
});

test("with very many open transactions the id keeps the watermark alone, which reads more, never less", () => {
  const running = Array.from({ length: 100 }, (_, index) => BigInt(1_000 + index));
  expect(decodePosition(encodePosition({ xmin: 1_000n, xmax: 1_200n, running }))).toEqual({ xmin: 1_000n, xmax: 1_000n, running: [] });
});

test.each(["", "7", "x y", "1-0-5", "5-9-3-2", "5-9-3-3", "0-1", "zzzzzzzzzzzzzz-1", "1-zzzzzzzzzzzzz", "1--1", "A-1", "1-1'; DROP TABLE"])(
  "%j is no position",
  (text) => {
    expect(decodePosition(text)).toBeUndefined();
  },
);

test("behind the last event stands the end; between events only whole transactions count", () => {
  const before = BEGINNING;
  const after: Position = { xmin: 12n, xmax: 20n, running: [12n, 18n] };
  const behind = positionsBehind([{ xid: 10n }, { xid: 10n }, { xid: 11n }, { xid: 15n }, { xid: 16n }], before, after);
  expect(behind).toEqual([
    before,
    { xmin: 11n, xmax: 11n, running: [] },
    { xmin: 12n, xmax: 12n, running: [] },
    { xmin: 12n, xmax: 16n, running: [12n] },
    after,
  ]);
});
