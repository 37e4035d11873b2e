import { CircuitState } from "cockatiel";
import { expect, it } from "vitest";
import { createOrderedBreaker } from "./ordered-breaker.ts";

const fail = (breaker: ReturnType<typeof createOrderedBreaker>) => {
  breaker.begin().end("failed");
  return breaker.failure(CircuitState.Closed);
};

it("opens after so many failures in a row", () => {
  const breaker = createOrderedBreaker(3);
  expect([fail(breaker), fail(breaker), fail(breaker)]).toEqual([false, false, true]);
});

it("does not open where failures come first only because they are quicker", () => {
  const breaker = createOrderedBreaker(3);
  const slow = breaker.begin();
  expect(Array.from({ length: 6 }, () => fail(breaker)).slice(0, 2)).toEqual([false, false]);
  slow.end("answered");
  const mixed = createOrderedBreaker(3);
  const attempts = Array.from({ length: 6 }, () => mixed.begin());
  for (const failed of [0, 2, 4]) attempts[failed]?.end("failed");
  expect(mixed.failure(CircuitState.Closed)).toBe(false);
  for (const answered of [1, 3, 5]) attempts[answered]?.end("answered");
  expect(mixed.failure(CircuitState.Closed)).toBe(false);
});

it("counts nothing that its caller gave up", () => {
  const breaker = createOrderedBreaker(2);
  expect(fail(breaker)).toBe(false);
  breaker.begin().forget();
  expect(fail(breaker)).toBe(true);
});

it("begins anew behind a success, and when it has opened", () => {
  const breaker = createOrderedBreaker(2);
  expect(fail(breaker)).toBe(false);
  breaker.begin().end("answered");
  expect([fail(breaker), fail(breaker)]).toEqual([false, true]);
  expect(fail(breaker)).toBe(false);
});
