import { readFile } from "node:fs/promises";
import { findPackageJSON } from "node:module";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { partFileName, fileName } from "./file-name.ts";
import { detectMediaType, HEAD_BYTES } from "./media-type.ts";
import { textMediaType } from "./text-media-type.ts";

function detect(content: Buffer | string, name = "x"): Promise<string> {
  const head = Buffer.from(content).subarray(0, HEAD_BYTES);
  return detectMediaType({ head, complete: Buffer.from(content).length <= HEAD_BYTES, name });
}

const csv = 'id,name,price\n1,a,2.5\n2,b,3\n3,"c, d",4\n';

describe("media type from the content", () => {
  it.each<[string, string, string, string]>([
    ["nothing", "", "x.csv", "application/x-empty"],
    ["a table", csv, "x", "text/csv"],
    ["a table that is called a photo", csv, "photo.jpg", "text/csv"],
    ["a table with BM at its start", "BMI,age\n20,1\n30,2\n", "x", "text/csv"],
    ["a table with MZ at its start", "MZ,intensity\n20,1\n30,2\n", "x.dat", "text/csv"],
    ["a table with CRLF", "a,b\r\n1,2\r\n3,4\r\n", "x", "text/csv"],
    ["a table with line breaks in quotes", 'a,b\n"1\n1",2\n"3\n3",4\n', "x", "text/csv"],
    ["a table with semicolons", "a;b\n1;2\n3;4\n", "x", "text/csv"],
    ["a table with tabs", "a\tb\n1\t2\n3\t4\n", "x", "text/tab-separated-values"],
    ["two records: the name decides", "a,b\n1,2\n", "x.csv", "text/csv"],
    ["two records without a name", "a,b\n1,2\n", "x", "text/plain"],
    ["one column: the name decides", "word\none\ntwo\n", "x.csv", "text/csv"],
    ["one column without a name", "word\none\ntwo\n", "x.txt", "text/plain"],
    ["prose with commas", "Yes, it is.\nNo, it is not.\nWell, perhaps.\n", "x", "text/plain"],
    ["prose that is called a photo", "not a photo", "photo.png", "text/plain"],
    ["markdown by its name", "# Title\n\ntext\n", "readme.md", "text/markdown"],
    ["an object", '{"a": 1}', "x", "application/json"],
    ["an object over lines", '{\n"a": 1\n}\n', "x", "application/json"],
    ["an array", '[1, {"a": 2}]', "x.txt", "application/json"],
    ["lines of objects", '{"a":1}\n{"a":2}\n', "x", "application/x-ndjson"],
    ["lines of objects called json", '{"a":1}\n{"a":2}\n', "x.json", "application/x-ndjson"],
    ["one line: the name decides", '{"a":1}\n', "x.ndjson", "application/x-ndjson"],
    ["one line without a name", '{"a":1}\n', "x", "application/json"],
    ["a long array", `[${'{"a":1},'.repeat(20_000)}{}]`, "x", "application/json"],
    ["many lines of objects", '{"a":1}\n'.repeat(20_000), "x", "application/x-ndjson"],
    ["nearly an object", '{"a": ', "x", "text/plain"],
    ["an ini file", "[section]\nkey = 1\n", "x", "text/plain"],
    ["HTML", "<!DOCTYPE html><html><script>alert(1)</script>", "x.png", "text/html"],
    ["HTML without a doctype", "  <script>alert(1)</script>", "x.txt", "text/html"],
    ["SVG", '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "x.png", "image/svg+xml"],
    ["SVG behind a prologue", '<?xml version="1.0"?><!-- c --><!DOCTYPE svg [<!ENTITY a "b>">]><svg/>', "x", "image/svg+xml"],
    ["XML", '<?xml version="1.0"?><feed/>', "x", "application/xml"],
    ["PDF", "%PDF-1.7\n1 0 obj", "x.txt", "application/pdf"],
    ["Latin-1", Buffer.from("caf\xe9\n", "latin1").toString("latin1"), "x", "text/plain"],
  ])("%s", async (_label, content, name, expected) => {
    expect(await detect(content, name)).toBe(expected);
  });

  it.each(["png", "jpeg", "webp", "avif", "gif", "tiff"] as const)("knows %s whatever it is called", async (format) => {
    const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
      .toFormat(format)
      .toBuffer();
    expect(await detect(image, "table.csv")).toBe(`image/${format}`);
  });

  it.each<[string, Buffer, string]>([
    ["a zip", Buffer.from("504b0506000000000000000000000000000000000000", "hex"), "application/zip"],
    ["a program", Buffer.from("4d5a90000300000004000000ffff0000", "hex"), "application/x-msdownload"],
    ["random bytes", Buffer.from("0001020304050607", "hex"), "application/octet-stream"],
    ["parquet", Buffer.from("PAR1\u0015\u0004\u0015\u0010PAR1"), "application/vnd.apache.parquet"],
    ["UTF-16", Buffer.from("\ufeffhello", "utf16le"), "text/plain"],
    ["a photo that is cut after its magic", Buffer.from("89504e470d0a1a0a", "hex"), "application/octet-stream"],
  ])("%s", async (_label, content, expected) => {
    expect(await detect(content)).toBe(expected);
  });

  it.each(["<!doctype>", "<!---->", "<??>", "<!doctype[]>"])("does not follow thousands of %s", async (part) => {
    const content = Buffer.from(part.repeat(HEAD_BYTES / part.length));
    await detect(content);
    const took: number[] = [];
    for (let round = 0; round < 20; round++) {
      const start = performance.now();
      textMediaType({ head: content, complete: true, name: "x" });
      took.push(performance.now() - start);
    }
    expect(Math.min(...took)).toBeLessThan(10);
  });

  it("knows real tables", async () => {
    const folder = findPackageJSON("vega-datasets", import.meta.url)?.replace("package.json", "data/");
    for (const [name, expected] of [
      ["seattle-weather.csv", "text/csv"],
      ["airports.csv", "text/csv"],
      ["stocks.csv", "text/csv"],
      ["cars.json", "application/json"],
      ["movies.json", "application/json"],
      ["flights-3m.parquet", "application/vnd.apache.parquet"],
    ] as const) {
      expect(await detect(await readFile(`${folder}${name}`), "x"), name).toBe(expected);
    }
  });
});

describe("file names", () => {
  it.each([
    "../../etc/passwd",
    "..\\..\\x",
    "/abs",
    "%2e%2e%2f",
    "CON",
    "a.txt:stream",
    "dot.",
    "\u202egpj.exe",
    "a\u200bb",
    "-rf",
    ";rm",
    "`x`",
    "$(x)",
    "a\"b'c",
  ])("keeps %j as data", (name) => {
    expect(fileName(name)).toBe(name.normalize("NFC"));
  });
  it("normalises, so that one name is one name", () => {
    expect(fileName("e\u0301.txt")).toBe("\u00e9.txt");
  });
  it.each(["", "a\0b", "a\r\nb", "a\u0085b", "x".repeat(256), "\u007f"])("refuses %j", (name) => {
    expect(() => fileName(name)).toThrow(expect.objectContaining({ code: "validation_failed" }));
  });
  it("counts bytes of UTF-8, as file systems do", () => {
    expect(fileName(`${"\u{1f600}".repeat(63)}abc`)).toHaveLength(129);
    expect(() => fileName("\u{1f600}".repeat(64))).toThrow("255 bytes");
  });
  it.each([
    ["../../etc/passwd", "passwd"],
    ["C:\\photos\\a.jpg", "a.jpg"],
    ["a.jpg", "a.jpg"],
  ])("keeps of a part's name %j only %j", (name, expected) => {
    expect(partFileName(name)).toBe(expected);
  });
});
