import { expect, test } from "vitest";
import { serverAddress, urlOf } from "./server-address.ts";

test.each([
  [{}, "http://127.0.0.1:8080"],
  [{ FILEMILL_HOST: "", FILEMILL_PORT: "" }, "http://127.0.0.1:8080"],
  [{ FILEMILL_PORT: "9000" }, "http://127.0.0.1:9000"],
  [{ FILEMILL_HOST: "files.example", FILEMILL_PORT: "80" }, "http://files.example:80"],
  [{ FILEMILL_HOST: "0.0.0.0" }, "http://127.0.0.1:8080"],
  [{ FILEMILL_HOST: "::", FILEMILL_PORT: "9000" }, "http://[::1]:9000"],
])("%j is served at %s", (environment, url) => {
  expect(urlOf(serverAddress(environment))).toBe(url);
});

test.each(["80a", "70000", "-1", "0"])("FILEMILL_PORT=%s says what to set instead", (port) => {
  expect(() => serverAddress({ FILEMILL_PORT: port })).toThrow(/FILEMILL_PORT.*set FILEMILL_URL/);
});
