import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { encrypted, makeForm, makePdf, picturesOf, scanned } from "../../test/processors/pdfs.ts";
import { rightCharacters } from "../../test/processors/right-characters.ts";
import { closeReader } from "./document/read-picture.ts";
import { documentText } from "./document-text.ts";

/** Reading a picture takes two seconds on a machine that does nothing else. */
const SLOW_MS = 120_000;

afterAll(closeReader);

const pdf = (content: Buffer) => ({ name: "report.pdf", mediaType: "application/pdf", content });

interface TextJson {
  readonly name: string;
  readonly text: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly pages: readonly { readonly number: number; readonly source: string; readonly text: string; readonly confidence?: number }[];
}

async function read(input: Parameters<typeof runProcessor>[1]["inputs"][number], more: Record<string, unknown> = {}): Promise<TextJson> {
  await using run = await runProcessor(documentText, {
    with: { format: "json", ...more },
    inputs: [input],
    signal: AbortSignal.timeout(SLOW_MS),
  });
  expect(run.only).toMatchObject({ mediaType: "application/json", name: `${input.name}.text.json` });
  return JSON.parse(await run.only.text());
}

const LINES = [
  "GLOBAL TECHNOLOGIES PRIVATE LIMITED",
  "Corporate identity number L12345MH1999PLC123456",
  "Financial statement for the year that ended on 31 March 2020",
  "Revenue from operations was 48,210,900 and other income 312,450.",
  "The board met on seven occasions, and all directors were present.",
  "Profit before tax grew by 12 percent over the year before it.",
  "The auditors have found that the accounts give a true and fair view.",
];

/** Made once: drawing a page takes a second. */
let scan: ReturnType<typeof scanned> | undefined;
const scannedStatement = () => (scan ??= statement().then((content) => scanned(content, 200)));

const statement = () => makePdf(({ text }) => LINES.forEach((line, index) => text(line, 50, 780 - index * 24, index === 0 ? 16 : 12)));

test("the text of a PDF, page by page, with the values of its form where they stand", async () => {
  const { text, values, pages } = await read(pdf(await makeForm({ company: "SMART SYSTEMS LIMITED", note: "first line\nsecond line" })));
  expect(pages).toEqual([{ number: 1, source: "text", text }]);
  expect(text.split(/\n+/)).toEqual([
    "ANNUAL REPORT",
    expect.stringMatching(/^Company name {2}SMART SYSTEMS LIMITED$/),
    expect.stringMatching(/^Audited {2}\[x\] {2}\[ \]$/),
    "( )  (x)",
    "Tax Filing",
    "2019",
    "2021",
    "first line",
    "second line",
  ]);
  expect(values).toMatchObject({ company_name: "SMART SYSTEMS LIMITED", audited: true });
});

test("as text, pages are separated by form feeds; a page without anything is empty, and not read as a picture", async () => {
  const content = await makePdf(
    ({ text }) => text("The first page of this document.", 50, 700),
    () => {},
    ({ text }) => text("The third page of this document.", 50, 700),
  );
  await using run = await runProcessor(documentText, { inputs: [pdf(content)] });
  expect(run.only).toMatchObject({ name: "report.pdf.txt", mediaType: "text/plain" });
  expect(await run.only.text()).toBe("The first page of this document.\n\f\n\fThe third page of this document.\n");
  expect(run.progress.at(-1)).toBe(1);
});

describe("a page that is only a picture", () => {
  test(
    "is read from it, at least 95 of 100 characters right",
    async () => {
      const scan = await scannedStatement();
      const { pages } = await read(pdf(scan.pdf), { dpi: 200 });
      expect(pages).toMatchObject([{ number: 1, source: "ocr", confidence: expect.any(Number) }]);
      expect(rightCharacters(pages[0]?.text ?? "", LINES.join("\n"))).toBeGreaterThan(0.95);
      const picture = await sharp(scan.pictures[0]).withMetadata({ orientation: 3 }).rotate(180).jpeg({ quality: 70 }).toBuffer();
      const photo = await read({ name: "photo.jpg", mediaType: "image/jpeg", content: picture });
      expect(rightCharacters(photo.text, LINES.join("\n"))).toBeGreaterThan(0.95);
      expect(await read(pdf(scan.pdf), { ocr: "never" })).toMatchObject({ text: "", pages: [{ source: "empty" }] });
    },
    SLOW_MS,
  );
});

describe("refuses", () => {
  test("what takes a password", async () => {
    expect(await badInput(runProcessor(documentText, { inputs: [pdf(await encrypted(await statement()))] }))).toMatchObject({
      code: "encrypted",
    });
  });

  test("a picture that is none, or is too large to decode", async () => {
    const none = { name: "a.png", mediaType: "image/png", content: Buffer.from("\x89PNG\r\n\x1a\n and nothing") };
    expect(await badInput(runProcessor(documentText, { inputs: [none] }))).toMatchObject({ code: "corrupt" });
    const wide = await sharp({ create: { width: 9_000, height: 9_000, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
    const large = { name: "a.png", mediaType: "image/png", content: wide };
    expect(await badInput(runProcessor(documentText, { inputs: [large] }))).toMatchObject({ code: "limit_exceeded" });
  });

  test("a language that is not installed", async () => {
    const picture = await sharp({ create: { width: 100, height: 100, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
    const input = { name: "a.png", mediaType: "image/png", content: picture };
    expect(await badInput(runProcessor(documentText, { with: { languages: ["tlh"] }, inputs: [input] }))).toMatchObject({
      code: "type_mismatch",
      message: expect.stringContaining('"tlh" is not installed'),
    });
  });
});

test("a caller that gives up does not wait for the picture", async () => {
  const scan = await scannedStatement();
  const stop = new AbortController();
  const run = runProcessor(documentText, { inputs: [pdf(scan.pdf)], signal: stop.signal });
  setImmediate(() => stop.abort(new Error("given up")));
  await expect(run).rejects.toThrow("given up");
});

test("every page of a TIFF is one; of an animation the first frame is", async () => {
  const shades = ["#fff", "#888", "#000"].map((background) => ({ create: { width: 60, height: 40, channels: 3 as const, background } }));
  const frames = await Promise.all(shades.map((given) => sharp(given).png().toBuffer()));
  const joined = () => sharp(frames, { join: { animated: true } });
  const fax = { name: "fax.tiff", mediaType: "image/tiff", content: await joined().tiff().toBuffer() };
  expect((await read(fax, { ocr: "never" })).pages.map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(await badInput(runProcessor(documentText, { with: { max_pages: 2 }, inputs: [fax] }))).toMatchObject({ code: "limit_exceeded" });
  const moving = { name: "a.webp", mediaType: "image/webp", content: await joined().webp().toBuffer() };
  expect((await read(moving, { ocr: "never" })).pages).toHaveLength(1);
});

test("a page of a size that nobody can print is drawn as large as it may be", async () => {
  const huge = await makePdf(({ page }) => page.setSize(14_400, 14_400));
  const [picture] = await picturesOf(huge, 600);
  expect(await sharp(picture).metadata()).toMatchObject({ width: 5_000, height: 5_000 });
});
