import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const GUIDE = join(import.meta.dirname, "../../../../../docs/guides/resumable-uploads.md");

interface Row {
  readonly sentence: string;
  readonly level: string;
  readonly shownBy: string;
}

/** The rows between the two marks, without the head of the table. */
async function rowsOfGuide(): Promise<Row[]> {
  const [, table = ""] = /<!-- conformance -->([^]*)<!-- \/conformance -->/.exec(await readFile(GUIDE, "utf8")) ?? [];
  const cells = table
    .trim()
    .split("\n")
    .slice(2)
    .map((line) => line.split("|").map((cell) => cell.trim()));
  return cells.map(([, sentence = "", level = "", shownBy = ""]) => ({ sentence, level, shownBy }));
}

async function titlesOfSuite(): Promise<string[]> {
  const names = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".db.test.ts"));
  const sources = await Promise.all(names.map((name) => readFile(join(import.meta.dirname, name), "utf8")));
  return sources.flatMap((source) => [...source.matchAll(/(?:\bit|\))\(\s*"([^"]+)"/g)].map(([, title = ""]) => title));
}

test("every row of the conformance table names a test that is there", async () => {
  const [rows, titles] = [await rowsOfGuide(), await titlesOfSuite()];
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.filter(({ shownBy }) => !titles.includes(shownBy))).toEqual([]);
});

test("every row says how binding it is, and none is there twice", async () => {
  const rows = await rowsOfGuide();
  for (const { level, sentence } of rows) expect(["MUST", "SHALL", "SHOULD", "MAY"], sentence).toContain(level);
  expect(new Set(rows.map(({ sentence }) => sentence)).size).toBe(rows.length);
});
