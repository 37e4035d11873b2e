import { describe, expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { textTemplate } from "./text-template.ts";

const json = (value: unknown, name = "order.json") => ({ name, mediaType: "application/json", content: JSON.stringify(value) });

async function written(data: unknown, more: Record<string, unknown>): Promise<string> {
  await using run = await runProcessor(textTemplate, { with: more, inputs: [json(data)] });
  return await run.only.text();
}

test("fills in values, lists and what is missing", async () => {
  const template =
    "Dear {{customer.name}},\n{{#lines}}\n{{count}} × {{title}}\n{{/lines}}\n{{^paid}}Please pay.{{/paid}}{{! nobody sees this }}\n";
  const data = {
    customer: { name: "Ann & Bob" },
    lines: [
      { count: 2, title: "<Pens>" },
      { count: 1, title: "Ink" },
    ],
    paid: false,
  };
  expect(await written(data, { template })).toBe("Dear Ann & Bob,\n2 × <Pens>\n1 × Ink\nPlease pay.\n");
  expect(await written(data, { template, format: "html" })).toBe("Dear Ann &amp; Bob,\n2 × &lt;Pens&gt;\n1 × Ink\nPlease pay.\n");
});

test("the output is called as the template for its name says", async () => {
  const named = async (name: string, more: Record<string, unknown>) => {
    await using run = await runProcessor(textTemplate, { with: { template: "x", ...more }, inputs: [json({ no: 7 }, name)] });
    return { name: run.only.name, mediaType: run.only.mediaType };
  };
  expect(await named("document_7.pdf.text.json", {})).toEqual({ name: "document_7.txt", mediaType: "text/plain" });
  expect(await named(".json", {})).toMatchObject({ name: ".json.txt" });
  expect(await named("a.json", { name: "no {{no}} of {{file.name}}.md", format: "markdown" })).toEqual({
    name: "no 7 of a.json.md",
    mediaType: "text/markdown",
  });
  expect(await named("a.json", { name: "{{nothing}}" })).toMatchObject({ name: "a.txt" });
});

test("what a job was given stands beside what the document holds", async () => {
  const given = { company: "SMART SYSTEMS LIMITED", years: [2019, 2020] };
  const template = "{{given.company}}{{#given.years}} {{.}}{{/given.years}} {{company}}{{given.nothing}}";
  expect(await written({ company: "another" }, { template, given })).toBe("SMART SYSTEMS LIMITED 2019 2020 another");
});

test("what is no text is written as JSON", async () => {
  const data = { a: { b: [1, "x"] }, none: null };
  expect(await written(data, { template: "{{a}} {{{a.b}}} {{&a.b}} {{a.b.length}} <{{none}}>" })).toBe(
    '{"b":[1,"x"]} [1,"x"] [1,"x"] 2 <>',
  );
  expect(await written(data, { template: "{{a.b}}", format: "html" })).toBe("[1,&quot;x&quot;]");
});

test("a document that is no object is {{value}}, and a list repeats", async () => {
  expect(await written([1, 2, 3], { template: "{{#value}}<{{.}}>{{/value}}" })).toBe("<1><2><3>");
});

describe("data can't reach what JavaScript's objects inherit", () => {
  test.each(["toString", "valueOf", "hasOwnProperty", "a.toString", "list.map", "list.join", "text.repeat", "a.b.c.d"])(
    "%s",
    async (name) => {
      const data = { a: { b: 1 }, list: [1, 2], text: "t" };
      expect(await written(data, { template: `<{{${name}}}>` })).toBe("<>");
    },
  );

  test("nor by a key of that name", async () => {
    await using run = await runProcessor(textTemplate, {
      with: { template: "<{{toString}}{{a.b}}>" },
      inputs: [{ name: "a.json", mediaType: "application/json", content: '{"__proto__":{"a":{"b":"polluted"}},"toString":"mine"}' }],
    });
    expect(await run.only.text()).toBe("<mine>");
    expect(Object.hasOwn(Object.prototype, "a")).toBe(false);
  });
});

describe("a template that can't be right is refused when the pipeline is written", () => {
  test.each([
    ["{{> header}}", "includes"],
    ["{{=<% %>=}}", "redefines"],
    ["{{constructor}}", "no name"],
    ["{{a.__proto__.b}}", "no name"],
    ["{{a b}}", "no name"],
    ["{{a()}}", "no name"],
    ["{{}}", "no name"],
    ["{{#a}}", 'does not end the section "a"'],
    ["{{#a}}{{#b}}{{/a}}{{/b}}", "not begun last"],
    ["{{/a}}", "not begun last"],
    ["text {{a", 'without "}}"'],
    ["{{#a}}".repeat(9) + "{{/a}}".repeat(9), "more than 8 sections"],
  ])("%s", (template, says) => {
    const parsed = textTemplate.params.safeParse({ template });
    expect(parsed.error?.issues[0]?.message).toContain(says);
  });

  test("and one that is right is not", () => {
    for (const template of ["", "no tags { } }} {", "{{{raw}}} {{&raw}} {{ a.b-c_1 }} {{#x}}{{.}}{{/ x }}", "{{größe}}"]) {
      expect(textTemplate.params.safeParse({ template: `${template}.` }).error).toBeUndefined();
    }
  });
});

test("what is no JSON, or none that can be held, is refused", async () => {
  const input = (content: string) => ({ inputs: [{ name: "a.json", mediaType: "application/json", content }], with: { template: "x" } });
  expect(await badInput(runProcessor(textTemplate, input("{")))).toMatchObject({ code: "corrupt" });
  expect(await badInput(runProcessor(textTemplate, input("[".repeat(1_000) + "]".repeat(1_000))))).toMatchObject({
    code: "limit_exceeded",
  });
});
