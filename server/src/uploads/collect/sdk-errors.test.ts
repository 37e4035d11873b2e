import { expect, test } from "vitest";
import { FetchError } from "../../net/fetch-error.ts";
import { StorageError } from "../../errors.ts";
import { azureSource } from "./azure.ts";
import { openDialers } from "./dialers.ts";
import { s3Source } from "./s3.ts";
import { explainSdk } from "./sdk-errors.ts";

const answered = (error: Record<string, unknown>) => Object.assign(new Error("as the SDK says"), error);

test.each([
  [{ $metadata: { httpStatusCode: 404 } }, "source_missing", "bad_input"],
  [{ statusCode: 403 }, "source_denied", "bad_input"],
  [{ statusCode: 400 }, "source_denied", "bad_input"],
  [{ $metadata: { httpStatusCode: 503 } }, "source_unavailable", "external"],
  [{ statusCode: 429 }, "source_unavailable", "external"],
  [{ code: "ECONNRESET" }, "source_unavailable", "external"],
  [{ cause: new FetchError("refused", "inside") }, "source_refused", "bad_input"],
  [{ name: "RestError", code: "refused" }, "source_refused", "bad_input"],
])("%o is %s", (error, code, failureClass) => {
  expect(explainSdk(answered(error))).toMatchObject({ code, failureClass });
});

test("our own errors and somebody's wish to stop stay what they are", () => {
  for (const error of [new StorageError("unavailable", "our store"), answered({ name: "AbortError" }), "drain"]) {
    expect(explainSdk(error)).toBe(error);
  }
});

/** Nothing listens there: a test machine that has such an address would be asked by a guard that fails. */
test.each([
  ["S3", (context: never) => s3Source(context), { kind: "s3", bucket: "b", endpoint: "http://169.254.169.254" }],
  ["Azure", (context: never) => azureSource(context), { kind: "azure", container: "http://169.254.169.254/c" }],
])("the %s client is refused what is inside, at once", async (_what, open, spec) => {
  const dialers = openDialers({ ports: [80, 443], allow: [] });
  const started = performance.now();
  try {
    const source = await open({ spec, dialers, tenantId: "t", jobId: "j" } as never);
    const pages = Array.fromAsync(source.pages(undefined, new AbortController().signal));
    await expect(pages).rejects.toMatchObject({ code: "source_refused" });
    expect(performance.now() - started).toBeLessThan(3_000);
  } finally {
    await dialers.close();
  }
});
