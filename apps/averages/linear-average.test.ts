import { expect, test } from "vitest";
import { createLinearAverage } from "./linear-average.ts";

const RANGE = { least: 1, most: 100 };

/** In pieces of so many bytes. */
async function* content(text: string, size = 3): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

test("the averages of files, place by place, as JavaScript writes them", async () => {
  const average = createLinearAverage(3, RANGE);
  await average.add("a", content("1 20 100\n"));
  await average.add("b", content("2 30 99", 1));
  await average.add("c", content("2 1 3\n", 100));
  expect(average.text()).toBe(`${5 / 3} 17 ${202 / 3}`);
});

test("files that are read at the same time are each added whole", async () => {
  const average = createLinearAverage(2, RANGE);
  await Promise.all([average.add("a", content("10 20", 1)), average.add("b", content("30 40", 1)), average.add("c", content("50 60", 2))]);
  expect(average.text()).toBe("30 40");
});

test.each([
  "",
  "1 2",
  "1 2 3 4",
  "1  2 3",
  " 1 2 3",
  "1 2 3 ",
  "1 2 101",
  "0 1 2",
  "1 2 x",
  "1 2 -3",
  "1.5 2 3",
  "1\n2 3",
  "1 2 3\n4",
  "1 2 3\n\n",
  "1\t2 3",
  "1 2 99999999999999999999999",
])("%j is not a file of three numbers, and is told with its name", async (text) => {
  await expect(createLinearAverage(3, RANGE).add("odd.txt", content(text))).rejects.toThrow(/^"odd.txt" /);
});
