import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openTestPool, step } from "../../../test/hosts.ts";
import { runProcessor } from "../../../test/processors/harness.ts";
import { documentForm } from "../document-form.ts";
import { documentText } from "../document-text.ts";
import { BadInput } from "../processor.ts";

/** A PDF of these objects, numbered from 1 on, of which the first is the catalogue. */
function pdfOf(objects: readonly (string | Buffer)[], trailer = ""): Buffer {
  const parts: Buffer[] = [Buffer.from("%PDF-1.7\n")];
  const offsets: number[] = [];
  let length = parts[0]?.length ?? 0;
  const add = (part: Buffer): void => {
    parts.push(part);
    length += part.length;
  };
  objects.forEach((object, index) => {
    offsets.push(length);
    add(Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), Buffer.from(object), Buffer.from("\nendobj\n")]));
  });
  const start = length;
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  add(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}trailer\n<</Size ${objects.length + 1}/Root 1 0 R${trailer}>>\n`,
    ),
  );
  add(Buffer.from(`startxref\n${start}\n%%EOF\n`));
  return Buffer.concat(parts);
}

function stream(content: string | Buffer, dictionary = ""): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from(`<</Length ${bytes.length}${dictionary}>>\nstream\n`), bytes, Buffer.from("\nendstream")]);
}

const CATALOGUE = "<</Type/Catalog/Pages 2 0 R>>";
const ONE_PAGE = "<</Type/Pages/Count 1/Kids[3 0 R]>>";
const FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>";
const page = (more: string) =>
  `<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>/Contents 4 0 R${more}>>`;
const HELLO = stream("BT /F 12 Tf 50 700 Td (These are words that can be read) Tj ET");

const HOSTILE: Readonly<Record<string, Buffer>> = {
  "a tree of pages that holds itself": pdfOf([CATALOGUE, "<</Type/Pages/Count 3/Kids[2 0 R 2 0 R 2 0 R]>>"]),
  "a million pages that are not there": pdfOf([CATALOGUE, "<</Type/Pages/Count 1000000/Kids[3 0 R]>>", page(""), HELLO, FONT, "null"]),
  "a picture that draws itself": pdfOf([
    ...[CATALOGUE, ONE_PAGE, page(""), stream("/X Do"), FONT],
    stream("/X Do /X Do", "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>"),
  ]),
  "a form whose fields are their own parents": pdfOf([
    "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]>>>>",
    ...[ONE_PAGE, page("/Annots[6 0 R]"), HELLO, FONT],
    "<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/V(b)/Parent 6 0 R/Kids[6 0 R]/Rect[0 0 100 20]>>",
  ]),
  "an earlier table that is the same table": pdfOf([CATALOGUE, ONE_PAGE, page(""), HELLO, FONT, "null"], "/Prev 400"),
  "lists in lists without end": pdfOf([CATALOGUE, ONE_PAGE, page(`/A ${"[".repeat(200_000)}`), HELLO, FONT, "null"]),
  "a content that is nothing but brackets": pdfOf([CATALOGUE, ONE_PAGE, page(""), stream("[".repeat(500_000)), FONT, "null"]),
  "a page without a size": pdfOf([CATALOGUE, ONE_PAGE, page("/MediaBox[0 0 0 0]/Rotate 17"), HELLO, FONT, "null"]),
  "an object that is itself": pdfOf([CATALOGUE, ONE_PAGE, "3 0 R", HELLO, FONT]),
  "a length that reaches beyond the end": pdfOf([
    CATALOGUE,
    ONE_PAGE,
    page(""),
    "<</Length 99999999>>\nstream\nBT\nendstream",
    FONT,
    "null",
  ]),
};

describe.each(Object.entries(HOSTILE))("%s", (_what, content) => {
  test.each([documentText, documentForm])("$name reads it or refuses it, soon", async (processor) => {
    const input = { name: "a.pdf", mediaType: "application/pdf", content };
    const given = processor === documentText ? { ocr: "never" } : { without_form: "empty" };
    const end = await runProcessor(processor, { with: given, inputs: [input], signal: AbortSignal.timeout(20_000) }).then(
      async (run) => await run[Symbol.asyncDispose](),
      (error: unknown) => error,
    );
    if (end !== undefined) expect(end).toBeInstanceOf(BadInput);
  });
});

test("scripts, and what a document would do when it is opened, do nothing", async () => {
  const actions =
    "/OpenAction<</S/JavaScript/JS(while(true);)>>/AA<</WC<</S/Launch/F(/bin/sh)>>>>/Names<</JavaScript<</Names[(a)<</S/JavaScript/JS(app.alert\\(1\\))>>]>>>>";
  const content = pdfOf([
    `<</Type/Catalog/Pages 2 0 R${actions}>>`,
    ONE_PAGE,
    page("/AA<</O<</S/URI/URI(http://127.0.0.1/)>>>>"),
    HELLO,
    FONT,
    "null",
  ]);
  await using run = await runProcessor(documentText, { inputs: [{ name: "a.pdf", mediaType: "application/pdf", content }] });
  expect(await run.only.text()).toBe("These are words that can be read\n");
});

test("a content of half a gigabyte that was packed into megabytes ends its host, and nothing else", async () => {
  const packed = deflateSync(Buffer.alloc(2 ** 29, " "), { level: 1 });
  const bomb = pdfOf([CATALOGUE, ONE_PAGE, page(""), stream(packed, "/Filter/FlateDecode"), FONT, "null"]);
  await using test = await openTestPool();
  const folder = await test.pool.taskFolder();
  const path = join(folder.path, "in-0");
  await writeFile(path, bomb);
  const outcome = await test.pool.run(
    "tenant",
    {
      type: "run",
      kind: "map",
      steps: [step("document.text", { with: { ocr: "never" }, timeoutMs: 60_000 })],
      entries: [{ from: "", path, name: "a.pdf", sizeBytes: bomb.length, mediaType: "application/pdf" }],
      scratch: folder.path,
    },
    { limits: { memoryBytes: 300 * 2 ** 20, wallMs: 60_000 }, signal: new AbortController().signal },
  );
  expect(outcome).toMatchObject({ type: "died", failure: { class: "resource_exhausted" } });
  await folder.remove();
}, 90_000);
