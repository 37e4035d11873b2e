import { describe, expect, test } from "vitest";
import { evaluate, isRangeMeant } from "./serve-conditions.ts";

const etag = '"abc"';
/** Half a second after what HTTP can say. */
const validators = { etag, lastModified: new Date("1994-11-06T08:49:37.500Z") };
const SAME = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER = "Sun, 06 Nov 1994 08:49:38 GMT";

describe("conditions", () => {
  test.each([
    [{}, "go on"],
    [{ "if-match": etag }, "go on"],
    [{ "if-match": "*" }, "go on"],
    [{ "if-match": `"x", ${etag}` }, "go on"],
    [{ "if-match": `W/${etag}` }, "failed"],
    [{ "if-match": '"x"' }, "failed"],
    [{ "if-match": "" }, "failed"],
    [{ "if-match": "abc" }, "failed"],
    [{ "if-match": '"x,abc"' }, "failed"],
    [{ "if-unmodified-since": SAME }, "go on"],
    [{ "if-unmodified-since": AFTER }, "go on"],
    [{ "if-unmodified-since": BEFORE }, "failed"],
    [{ "if-unmodified-since": "1994" }, "go on"],
    [{ "if-match": etag, "if-unmodified-since": BEFORE }, "go on"],
    [{ "if-match": '"x"', "if-unmodified-since": SAME }, "failed"],
    [{ "if-none-match": etag }, "not modified"],
    [{ "if-none-match": `W/${etag}` }, "not modified"],
    [{ "if-none-match": `"x", W/${etag}` }, "not modified"],
    [{ "if-none-match": "*" }, "not modified"],
    [{ "if-none-match": '"x"' }, "go on"],
    [{ "if-none-match": "abc" }, "go on"],
    [{ "if-modified-since": SAME }, "not modified"],
    [{ "if-modified-since": AFTER }, "not modified"],
    [{ "if-modified-since": BEFORE }, "go on"],
    [{ "if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT" }, "not modified"],
    [{ "if-modified-since": "Sun Nov  6 08:49:37 1994" }, "not modified"],
    [{ "if-modified-since": "Sun Nov  6 08:49:36 1994" }, "go on"],
    [{ "if-modified-since": "2050-01-01" }, "go on"],
    [{ "if-modified-since": "Sun, 99 Nov 2050 08:49:37 GMT" }, "go on"],
    [{ "if-none-match": '"x"', "if-modified-since": AFTER }, "go on"],
    [{ "if-none-match": etag, "if-modified-since": BEFORE }, "not modified"],
    [{ "if-match": etag, "if-none-match": etag }, "not modified"],
    [{ "if-match": '"x"', "if-none-match": etag }, "failed"],
    [{ "if-unmodified-since": BEFORE, "if-modified-since": AFTER }, "failed"],
  ])("%j: %s", (headers, outcome) => {
    expect(evaluate(headers, validators)).toBe(outcome);
  });
});

describe("a range", () => {
  test.each([
    [undefined, true],
    [etag, true],
    [SAME, true],
    [`W/${etag}`, false],
    ['"x"', false],
    [BEFORE, false],
    [AFTER, false],
    ["1994-11-06T08:49:37Z", false],
  ])("under If-Range %s is meant: %s", (condition, meant) => {
    expect(isRangeMeant(condition === undefined ? {} : { "if-range": condition }, validators)).toBe(meant);
  });
});
