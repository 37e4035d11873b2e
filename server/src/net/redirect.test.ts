import { expect, test } from "vitest";
import { nextHop } from "./redirect.ts";

const from = (url: string): { url: URL; headers: Record<string, string> } => ({ url: new URL(url), headers: { Cookie: "a", range: "b" } });

test.each([
  ["https://a.test/x/y", "../z", "https://a.test/z"],
  ["http://a.test/", "https://a.test/", "https://a.test/"],
  ["https://a.test/", "//b.test/", "https://b.test/"],
  ["http://a.test/", "http://b.test/#f", "http://b.test/#f"],
])("%s leads by %s to %s", (url, location, to) => {
  expect(nextHop(from(url), { status: 302, location })?.url.href).toBe(to);
});

test("https never leads to http", () => {
  expect(() => nextHop(from("https://a.test/"), { status: 301, location: "http://a.test/" })).toThrow(/from https to http/);
});

test("only what is a redirect with one Location leads on", () => {
  for (const status of [200, 201, 300, 304, 305, 306, 404])
    expect(nextHop(from("http://a.test/"), { status, location: "/b" })).toBeUndefined();
  expect(nextHop(from("http://a.test/"), { status: 302, location: undefined })).toBeUndefined();
  expect(() => nextHop(from("http://a.test/"), { status: 302, location: ["/b", "/c"] })).toThrow(/not a URL/);
});

test("another port is another host for cookies", () => {
  expect(nextHop(from("http://a.test/"), { status: 302, location: "http://a.test:81/" })?.headers).toEqual({ range: "b" });
  expect(nextHop(from("http://a.test/"), { status: 302, location: "/b" })?.headers).toEqual({ Cookie: "a", range: "b" });
});
