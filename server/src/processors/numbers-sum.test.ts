import { expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { numbersSum } from "./numbers-sum.ts";

const given = (...contents: string[]) => ({
  inputs: contents.map((content, index) => ({ name: `n${index}.txt`, mediaType: "text/plain", content })),
});

test.each([
  ["element by element", ["1\n2\n3\n", "10\n20\n30\n"], "11\n22\n33\n"],
  ["numbers between spaces", ["1 2  3", "10 20 30"], "11\n22\n33\n"],
  ["without a last line end, with CR LF", ["1\r\n2", "3\r\n4\r\n"], "4\n6\n"],
  ["a single file", ["7\n"], "7\n"],
  ["negative numbers, signs and leading zeros", ["-5\n+5\n007\n", "5\n-10\n1\n"], "0\n-5\n8\n"],
  ["past 2^53, exactly", ["9007199254740991\n", "9007199254740992\n", "1\n"], "18014398509481984\n"],
  [
    "sums that leave 2^53 from below and return",
    ["9007199254740991\n".slice(0, 15) + "\n", "-5\n", "9999999999999999999999\n", "-9999999999999999999999\n"],
    "900719925474094\n",
  ],
  ["hundreds of digits", [`1${"0".repeat(300)}\n`, "1\n"], `1${"0".repeat(299)}1\n`],
  ["big and small columns side by side", ["1\n99999999999999999999\n", "2\n1\n"], "3\n100000000000000000000\n"],
  ["decimals, with what additions round off", ["0.1 1e100\n", "0.2 1.5\n", "0.3 -1e100\n"], "0.6\n1.5\n"],
  ["integers and a decimal in one column", ["9007199254740993\n", "0.5\n"], "9007199254740992\n"],
  ["decimals written in any way", ["+1.5 .25 2. 1e3 -1E-1\n", "0 0 0 0 0\n"], "1.5\n0.25\n2\n1000\n-0.1\n"],
])("adds %s", async (_, contents, expected) => {
  await using run = await runProcessor(numbersSum, given(...contents));
  expect(await run.only.text()).toBe(expected);
});

test("sums of many safe numbers become exact BigInts in time", async () => {
  const nearly = "999999999999999\n";
  await using run = await runProcessor(numbersSum, given(...Array.from({ length: 20 }, () => nearly)));
  expect(await run.only.text()).toBe("19999999999999980\n");
});

test.each([
  ["fewer numbers", ["1\n2\n", "1\n"], "type_mismatch", /"n1\.txt" holds 1 numbers where the files before it hold 2/],
  ["more numbers", ["1\n", "1\n2\n3\n"], "type_mismatch", /"n1\.txt" holds 3 numbers where the files before it hold 1/],
  ["a word", ["1\nx\n"], "corrupt", /"x" stands where number 2/],
  ["decimals that overflow", ["1e308\n", "1e308\n"], "limit_exceeded", /place 1 is more than a decimal can hold/],
  ["a lone sign", ["1\n-\n"], "corrupt", /a sign without a number/],
  ["a sign inside a number", ["1-2\n"], "corrupt", /"-" stands/],
  ["a control byte", ["1\n\u0000\n"], "corrupt", /the byte 0x00/],
  ["nothing", [""], "corrupt", /no numbers/],
  ["a number of a million digits", ["9".repeat(1_000_000)], "corrupt", /1000 digits/],
])("refuses %s", async (_, contents, code, message) => {
  const error = await badInput(runProcessor(numbersSum, given(...contents)));
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
});

test("five files of 10,000 lines give the same as a plain loop", async () => {
  const columns = Array.from({ length: 5 }, (_, file) => Array.from({ length: 10_000 }, (_, line) => ((line * 31 + file * 17) % 100) + 1));
  await using run = await runProcessor(numbersSum, given(...columns.map((numbers) => `${numbers.join("\n")}\n`)));
  const expected = Array.from({ length: 10_000 }, (_, line) => columns.reduce((sum, numbers) => sum + (numbers[line] ?? 0), 0));
  expect(await run.only.text()).toBe(`${expected.join("\n")}\n`);
});
