import { describe, expect, test } from "vitest";
import { BadInput } from "../processor.ts";
import { MAX_DOCUMENT_BYTES, readRequest } from "./read-request.ts";

const json = (value: unknown) => readRequest(Buffer.from(JSON.stringify(value)), { name: "a.json", mediaType: "application/json" });
const text = (content: string) => readRequest(Buffer.from(content), { name: "a.txt", mediaType: "text/plain" });

function refusal(read: () => unknown): BadInput {
  try {
    read();
  } catch (error) {
    if (error instanceof BadInput) return error;
    throw error;
  }
  throw new Error("it was taken");
}

test("a JSON document names a URL, and what is known of what is behind it", () => {
  const sha256 = "ab".repeat(32);
  const own = { company: "of the user's own" };
  expect(json({ url: "https://example.org/a", name: "b.pdf", headers: { Accept: "x/y" }, size: 7, sha256, ...own })).toEqual({
    url: "https://example.org/a",
    name: "b.pdf",
    headers: { accept: "x/y" },
    sizeBytes: 7,
    sha256: Buffer.from(sha256, "hex"),
  });
});

test("a text with one URL is enough; comments and empty lines don't count", () => {
  expect(text("# the annual report\r\n\r\nhttps://example.org/a \r\n")).toEqual({ url: "https://example.org/a", headers: {} });
  expect(text('{"url":"https://example.org/a"}')).toMatchObject({ url: "https://example.org/a" });
});

describe("is refused as corrupt, naming the file", () => {
  test.each<[string, () => unknown, string]>([
    ["two URLs", () => text("https://a\nhttps://b"), "has 2 lines"],
    ["an empty text", () => text("\n# nothing\n"), "has 0 lines"],
    ["no url", () => json({ link: "https://a" }), "url"],
    ["a url that is none", () => json({ url: { href: "x" } }), "url"],
    ["a header of the connection", () => json({ url: "https://a", headers: { "Transfer-Encoding": "chunked" } }), "only accept"],
    ["a header that nobody knows", () => json({ url: "https://a", headers: { "x-api-key": "k" } }), "only accept"],
    ["a header with a line end", () => json({ url: "https://a", headers: { accept: "a\r\nhost: b" } }), "one line"],
    ["a digest that is none", () => json({ url: "https://a", sha256: "abc" }), "64 hexadecimal"],
    ["a size below nothing", () => json({ url: "https://a", size: -1 }), "size"],
    ["a list", () => json([{ url: "https://a" }]), "document"],
    ["JSON that breaks off", () => text('{"url":"https://a"'), "no JSON"],
    ["JSON that is nested without end", () => text(`{"url":${"[".repeat(30_000)}`), "no JSON"],
  ])("%s", (_what, read, says) => {
    const error = refusal(read);
    expect(error).toMatchObject({ code: "corrupt" });
    expect(error.message).toContain(says);
    expect(error.message).toMatch(/"a\.(json|txt)"/);
  });
});

test("a document that is no small one is not parsed", () => {
  expect(refusal(() => text("x".repeat(MAX_DOCUMENT_BYTES + 1)))).toMatchObject({ code: "limit_exceeded" });
});
