import { expect, it } from "vitest";
import { freeChunk } from "./free-chunk.ts";

it("frees a chunk that has its memory for itself", () => {
  const chunk = Buffer.alloc(65_536, 1);
  const { buffer } = chunk;
  freeChunk(chunk);
  expect(buffer.byteLength).toBe(0);
});

it.each([
  ["the start", 0, 60_000],
  ["the end", 10, 65_536],
  ["the middle", 10, 60_000],
])("leaves memory alone of which the chunk is only %s", (_label, start, end) => {
  const whole = Buffer.alloc(65_536, 1);
  freeChunk(whole.subarray(start, end));
  expect(whole.equals(Buffer.alloc(65_536, 1))).toBe(true);
});

it("leaves the pool of small buffers alone", () => {
  const chunk = Buffer.from("pooled");
  freeChunk(chunk);
  expect(chunk.toString()).toBe("pooled");
});
