import { describe, expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { encrypted, makeForm, makePdf } from "../../test/processors/pdfs.ts";
import { documentForm } from "./document-form.ts";

const pdf = (content: Buffer, name = "report.pdf") => ({ name, mediaType: "application/pdf", content });

test("reads fields of every kind, with what may be chosen", async () => {
  await using run = await runProcessor(documentForm, {
    inputs: [pdf(await makeForm({ company: "SMART SYSTEMS LIMITED", note: "one\ntwo" }))],
  });
  expect(run.only).toMatchObject({ name: "report.pdf.form.json", mediaType: "application/json" });
  const form: unknown = JSON.parse(await run.only.text());
  expect(form).toMatchObject({
    name: "report.pdf",
    pages: 1,
    values: {
      company_name: "SMART SYSTEMS LIMITED",
      audited: true,
      amended: false,
      kind: "interim",
      document_type: "Tax Filing",
      years: ["2019", "2021"],
      note: "one\ntwo",
    },
    fields: expect.arrayContaining([
      { name: "company_name", type: "text", value: "SMART SYSTEMS LIMITED", label: null, page: 1, required: true, read_only: false },
      {
        name: "kind",
        type: "radio",
        value: "interim",
        label: null,
        page: 1,
        required: false,
        read_only: false,
        options: ["annual", "interim"],
      },
      expect.objectContaining({ name: "document_type", type: "choice", options: ["Annual Report", "Tax Filing"] }),
      expect.objectContaining({ name: "note", read_only: true }),
    ]),
  });
});

test("a name that means something to JavaScript is a name", async () => {
  const hostile = await makePdf(({ document, page }) => {
    for (const name of ["__proto__", "constructor", "toString"]) {
      const field = document.getForm().createTextField(name);
      field.setText(`value of ${name}`);
      field.addToPage(page, { x: 10, y: 10, width: 100, height: 20 });
    }
  });
  await using run = await runProcessor(documentForm, { inputs: [pdf(hostile)] });
  const text = await run.only.text();
  expect(text).toContain('"__proto__": "value of __proto__"');
  expect(Object.keys(Object(JSON.parse(text).values))).toEqual(["__proto__", "constructor", "toString"]);
});

describe("without a form", () => {
  test("is an error by default", async () => {
    const plain = await makePdf(({ text }) => text("no form", 50, 700));
    expect(await badInput(runProcessor(documentForm, { inputs: [pdf(plain)] }))).toMatchObject({
      code: "type_mismatch",
      message: expect.stringContaining("it has no form"),
    });
  });

  test("is an empty result where that is asked for", async () => {
    const plain = await makePdf(({ text }) => text("no form", 50, 700));
    await using run = await runProcessor(documentForm, { with: { without_form: "empty" }, inputs: [pdf(plain)] });
    expect(JSON.parse(await run.only.text())).toEqual({ name: "report.pdf", pages: 1, values: {}, fields: [] });
  });
});

describe("refuses", () => {
  test("one that takes a password", async () => {
    const locked = await encrypted(await makeForm({ company: "X" }));
    expect(await badInput(runProcessor(documentForm, { inputs: [pdf(locked)] }))).toMatchObject({ code: "encrypted" });
  });

  test.each([
    ["no PDF", Buffer.from("%PDF-1.7 and nothing else")],
    ["an empty file", Buffer.alloc(0)],
    ["bytes", Buffer.from(Array.from({ length: 10_000 }, (_unused, index) => (index * 7_919) % 256))],
  ])("%s, as corrupt", async (_what, content) => {
    expect(await badInput(runProcessor(documentForm, { inputs: [pdf(content)] }))).toMatchObject({ code: "corrupt" });
  });

  test("more pages and bytes than it may have", async () => {
    const two = await makePdf(
      ({ text }) => text("one", 50, 700),
      ({ text }) => text("two", 50, 700),
    );
    expect(await badInput(runProcessor(documentForm, { with: { max_pages: 1 }, inputs: [pdf(two)] }))).toMatchObject({
      code: "limit_exceeded",
      message: expect.stringContaining("2 pages"),
    });
    expect(await badInput(runProcessor(documentForm, { with: { max_size: "100B" }, inputs: [pdf(two)] }))).toMatchObject({
      code: "limit_exceeded",
    });
  });
});

test("a PDF that is cut anywhere is read or refused, and nothing else", async () => {
  const whole = await makeForm({ company: "SMART SYSTEMS LIMITED" });
  for (const part of [0.2, 0.5, 0.8, 0.95, 0.99]) {
    const run = runProcessor(documentForm, { with: { without_form: "empty" }, inputs: [pdf(whole.subarray(0, whole.length * part))] });
    const end = await run.then(
      async (done) => {
        await done[Symbol.asyncDispose]();
        return "read";
      },
      (error: unknown) => error,
    );
    if (end !== "read") expect(end).toMatchObject({ name: "BadInput", code: "corrupt" });
  }
});
