import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { badInput, runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { numbersMean } from "./numbers-mean.ts";

const texts = (...contents: string[]): GivenInput[] =>
  contents.map((content, index) => ({ name: `n${index}.txt`, mediaType: "text/plain", content }));

/** As the engine: groups of `fanIn`, level by level, to the one that is the result. */
async function inTree(inputs: readonly GivenInput[], fanIn: number): Promise<string> {
  for (let level = inputs; ;) {
    const isRoot = level.length <= fanIn;
    const next: GivenInput[] = [];
    for (let start = 0; start < level.length; start += fanIn) {
      await using run = await runProcessor(numbersMean, { inputs: level.slice(start, start + fanIn), isRoot });
      const { name, mediaType } = run.only;
      if (isRoot) return await run.only.text();
      next.push({ name, mediaType, content: await run.only.bytes() });
    }
    level = next;
  }
}

test.each([
  [
    "on one line, as JavaScript writes numbers",
    ["1 2 3\n", "2 4 6\n", "2 2 2\n"],
    "1.6666666666666667 2.6666666666666665 3.6666666666666665",
  ],
  ["of one file", ["1 2\n"], "1 2"],
  ["past 2^53, rounded once", ["9007199254740993\n", "9007199254740993\n", "9007199254740993\n"], "9007199254740992"],
  ["of decimals", ["0.5 1\n", "0.25 2\n"], "0.375 1.5"],
])("means %s", async (_, contents, expected) => {
  await using run = await runProcessor(numbersMean, { inputs: texts(...contents), with: { name: "final.txt" } });
  expect(run.only).toMatchObject({ name: "final.txt", mediaType: "text/plain" });
  expect(await run.only.text()).toBe(expected);
});

test("a tree gives what one pass gives, to the last digit", async () => {
  const files = Array.from({ length: 37 }, (_, file) =>
    Array.from({ length: 50 }, (_unused, place) => ((file * 7919 + place * 104_729) % 100) + 1),
  );
  const expected = Array.from({ length: 50 }, (_, place) => files.reduce((sum, numbers) => sum + (numbers[place] ?? 0), 0) / 37);
  expect(await inTree(texts(...files.map((numbers) => numbers.join(" "))), 5)).toBe(expected.join(" "));
});

test("a node that is not the last hands on sums and the number of files", async () => {
  await using run = await runProcessor(numbersMean, { inputs: texts("1 2", "3 4"), isRoot: false });
  expect(run.only.mediaType).toBe("application/vnd.filemill.sums");
  expect(await readFile(run.only.path, "utf8")).toBe("filemill-sums 1 2\n4\n6\n");
});

test("sums of another version are refused", async () => {
  const inputs = [{ name: "sums.txt", mediaType: "application/vnd.filemill.sums", content: "filemill-sums 2 2\n4\n" }];
  expect(await badInput(runProcessor(numbersMean, { inputs }))).toMatchObject({ code: "corrupt" });
});
