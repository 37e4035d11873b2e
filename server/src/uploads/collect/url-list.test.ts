import { Readable } from "node:stream";
import fc from "fast-check";
import { MAX_URL_LENGTH } from "@filemill/contract/source.ts";
import { expect, test } from "vitest";
import { readUrlList, type UrlLine } from "./url-list.ts";

const signal = new AbortController().signal;

async function read(chunks: readonly Buffer[], start = 0): Promise<UrlLine[]> {
  return await Array.fromAsync(readUrlList(Readable.from(chunks), { start, signal }));
}

test("lines end with LF or CRLF; blanks, comments and a byte order mark are passed over", async () => {
  const text = "\ufeffhttps://a/\r\n\n  # no\n\t https://b/ü \nhttps://c/";
  expect((await read([Buffer.from(text)])).map((line) => line.url)).toEqual(["https://a/", "https://b/ü", "https://c/"]);
  expect(await read([])).toEqual([]);
  expect(await read([Buffer.from("\n\n#\n")])).toEqual([]);
});

test("however it is cut, a list gives the same lines, and goes on behind any of them", async () => {
  const line = fc.constantFrom("https://example.org/a", "https://example.org/ä?ö", "", "# comment", "  https://b  ", "\r");
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 20 }), fc.array(fc.nat(200), { maxLength: 8 }), async (lines, places) => {
      const whole = Buffer.from(lines.join("\n"));
      const cuts = [0, ...places.map((place) => place % (whole.length + 1)).toSorted((left, right) => left - right), whole.length];
      const chunks = cuts.slice(1).map((cut, index) => whole.subarray(cuts[index], cut));
      const all = await read([whole]);
      expect(await read(chunks)).toEqual(all);
      for (const [index, { end }] of all.entries()) expect(await read([whole.subarray(end)], end)).toEqual(all.slice(index + 1));
    }),
  );
});

test.each([
  ["a line that no URL has", Buffer.from(`https://a/${"x".repeat(MAX_URL_LENGTH)}\n`)],
  ["one line of a large file", Buffer.alloc(1_000_000, 120)],
])("%s is refused, and not kept", async (_what, bytes) => {
  const chunks = Array.from({ length: Math.ceil(bytes.length / 4_096) }, (_unused, index) =>
    bytes.subarray(index * 4_096, (index + 1) * 4_096),
  );
  await expect(read(chunks)).rejects.toMatchObject({ code: "limit_exceeded", failureClass: "bad_input" });
});

test("what is no text gives lines that no server is asked for", async () => {
  const lines = await read([Buffer.from([0, 1, 2, 10, 255, 254, 10])]);
  for (const { url } of lines) expect(URL.canParse(url)).toBe(false);
  expect(lines.map(({ url }) => url).join()).not.toContain("\0");
});
