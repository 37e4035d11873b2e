import { expect, test } from "vitest";
import { runProcessor } from "../../test/processors/harness.ts";
import { createTextCounter } from "./text/text-counter.ts";
import { textStats } from "./text-stats.ts";

async function statsOf(content: string | Uint8Array): Promise<Record<string, unknown>> {
  await using run = await runProcessor(textStats, { inputs: [{ name: "a.txt", mediaType: "text/plain", content }] });
  expect(run.only).toMatchObject({ name: "a.txt.stats.json", mediaType: "application/json" });
  return JSON.parse(await run.only.text());
}

const utf16 = (text: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);

test.each([
  [
    "nothing",
    "",
    { bytes: 0, lines: 0, words: 0, characters: 0, longest_line: { number: 0, characters: 0 }, encoding: "ascii", valid: true },
  ],
  ["two lines", "one two\nthree\n", { bytes: 14, lines: 2, words: 3, characters: 14, longest_line: { number: 1, characters: 7 } }],
  ["a last line without an end", "a\nbcd", { lines: 2, words: 2, longest_line: { number: 2, characters: 3 } }],
  ["CR LF and CR", "a\r\nb\rc\n", { lines: 3, words: 3, characters: 7 }],
  ["empty lines", "\n\n\n", { lines: 3, words: 0, longest_line: { number: 1, characters: 0 } }],
  ["characters beyond 16 bits", "né 😀\n", { bytes: 9, words: 2, characters: 5, encoding: "utf-8", valid: true }],
  ["a byte order mark", "\ufeffab", { bytes: 5, characters: 2, encoding: "utf-8", byte_order_mark: true }],
  ["UTF-16", utf16("née\n"), { bytes: 10, lines: 1, characters: 4, encoding: "utf-16le", byte_order_mark: true, valid: true }],
  ["windows-1252", Buffer.from("caf\xe9\n", "latin1"), { characters: 5, encoding: "windows-1252", valid: true }],
])("counts %s", async (_, content, expected) => {
  expect(await statsOf(content)).toMatchObject(expected);
});

test("says that UTF-8 which breaks later on is not valid", async () => {
  const late = Buffer.concat([Buffer.alloc(300_000, "é"), Buffer.from([0xff, 0x0a])]);
  expect(await statsOf(late)).toMatchObject({ encoding: "utf-8", valid: false, language: null });
});

test("a character cut by the end of the file is not valid", async () => {
  expect(await statsOf(Buffer.from([0x61, 0x0a, 0xc3]))).toMatchObject({ valid: false });
});

test.each([
  ["en", "The quick brown fox jumps over the lazy dog, and then it runs away into the dark forest because it is afraid of the hunters."],
  [
    "de",
    "Der schnelle braune Fuchs springt über den faulen Hund und läuft danach in den dunklen Wald, weil er sich vor den Jägern fürchtet.",
  ],
  ["fr", "Le renard brun et rapide saute par-dessus le chien paresseux, puis il s'enfuit dans la forêt parce qu'il a peur des chasseurs."],
])("finds the language %s", async (language, text) => {
  expect(await statsOf(text)).toMatchObject({ language });
});

test("counts are the same wherever the text is cut", () => {
  const text = "ab cd\r\n\u{1f600}x\ry  z\n";
  const count = (...pieces: string[]) => {
    const counter = createTextCounter();
    for (const piece of pieces) counter.add(piece);
    return counter.end();
  };
  for (let cut = 0; cut <= text.length; cut++) expect(count(text.slice(0, cut), text.slice(cut))).toEqual(count(text));
});
