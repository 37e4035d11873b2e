import { expect, test } from "vitest";
import { unlessGivenUp } from "./unless-given-up.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a drain ends the wait for an answer that may never come", async () => {
  const giveUp = new AbortController();
  const waiting = unlessGivenUp(new Promise<never>(() => {}), giveUp.signal);
  giveUp.abort("drain");
  await expect(waiting).rejects.toBe("drain");
  await expect(unlessGivenUp(new Promise<never>(() => {}), giveUp.signal)).rejects.toBe("drain");
});

test("a lease that may have ended does not: what was done may still be recorded", async () => {
  const stop = new AbortController();
  const answer = Promise.withResolvers<string>();
  const waiting = unlessGivenUp(answer.promise, stop.signal);
  stop.abort("lease_ended");
  await turn();
  answer.resolve("committed");
  await expect(waiting).resolves.toBe("committed");
});

test("an answer that fails after the wait was given up is nobody's uncaught error", async () => {
  const giveUp = new AbortController();
  const answer = Promise.withResolvers<never>();
  const waiting = unlessGivenUp(answer.promise, giveUp.signal);
  giveUp.abort("drain");
  await expect(waiting).rejects.toBe("drain");
  answer.reject(new Error("Connection terminated"));
  await turn();
});
