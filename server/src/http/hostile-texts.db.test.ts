import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../test/test-app.ts";

const routes: { method: string; url: string }[] = [];
let test: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  const onRoute = ({ method, url }: { method: string | string[]; url: string }) => {
    for (const each of [method].flat()) if (url.startsWith("/api/v1/")) routes.push({ method: each, url: url.slice("/api/v1".length) });
  };
  test = await startTestApp({ options: { onRoute } });
  tenant = await test.tenant("operator");
});
afterAll(() => test.close());

const json = (method: string, body: string) => ({ method, body, headers: { "content-type": "application/json" } });
const form = (fields: Record<string, string>) => {
  const body = new FormData();
  body.append("file", new Blob(["x"]), "a.txt");
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return { method: "POST", body };
};
const refused = async (response: Response) => {
  const answer = await answerOf(response);
  expect([response.status, answer.code]).toEqual([400, "validation_failed"]);
  return answer.issues.map(({ pointer }) => pointer);
};

/** Looked at before its body is asked for: what holds NUL is no link, and not found. */
const isLinkToSendBy = ({ method, url }: { method: string; url: string }) => method === "PUT" && url === "/links/:token";

/** Refused for lack of the protocol's headers before anything else; its own suite sends ids that hold NUL with them. */
const isTus = ({ method, url }: { method: string; url: string }) => method !== "GET" && /^\/uploads(?:\/:id)?$/.test(url);

/** What PostgreSQL takes neither as text nor in jsonb, as JSON writes it. */
const UNSTORABLE = ["\\u0000", "\\ud800"];
const document = (step: string) => `{"steps":{"a":{"use":"text.stats",${step}}}}`;

describe("NUL and lone surrogates", () => {
  it("in the path and the query of every route are refused", async () => {
    expect(routes.length).toBeGreaterThan(25);
    for (const { method, url } of routes.filter((route) => !isLinkToSendBy(route) && !isTus(route))) {
      const path = url.replaceAll(/:\w+/g, "a%00b");
      const sends = ["POST", "PUT"].includes(method);
      const body = url === "/files" && sends ? form({}) : sends ? json(method, "{}") : { method };
      const inPath = path === url ? undefined : await tenant.fetch(path, body);
      const inQuery = await tenant.fetch(`${url.replaceAll(/:\w+/g, "a")}?metadata.a=%00&pipeline=%00&lane=%00`, body);
      expect([method, url, inPath?.status ?? 400, inQuery.status]).toEqual([method, url, 400, 400]);
    }
  });

  const bodies: [string, string, (bad: string) => string, string][] = [
    ["POST", "/jobs", (bad) => `{"pipeline":"a${bad}b","inputs":["x"]}`, "/pipeline"],
    ["POST", "/jobs", (bad) => `{"pipeline":"a","inputs":["x"],"metadata":{"a":"${bad}"}}`, "/metadata/a"],
    ["POST", "/jobs", (bad) => `{"pipeline":"a","inputs":["x"],"params":{"a":[{"b":"${bad}"}]}}`, "/params/a/0/b"],
    ["POST", "/jobs", (bad) => `{"pipeline":${document(`"with":{"x":["${bad}"]}`)},"inputs":["x"]}`, "/pipeline/steps/a/with/x/0"],
    ["PUT", "/pipelines/mine", (bad) => `{"description":"${bad}","steps":{"a":{"use":"text.stats"}}}`, "/description"],
    ["PUT", "/schedules/mine", (bad) => `{"cron":"@daily","pipeline":"a${bad}b","inputs":["x"]}`, "/pipeline"],
    ["PUT", "/schedules/mine", (bad) => `{"cron":"@daily","pipeline":"a","inputs":["x"],"params":{"a":["${bad}"]}}`, "/params/a/0"],
    ["POST", "/schedules", (bad) => `{"name":"a","cron":"@daily","pipeline":"a","inputs":["x"],"metadata":{"a":"${bad}"}}`, "/metadata/a"],
    [
      "PUT",
      "/pipelines/mine",
      (bad) => `{"triggers":[{"on":"file.stored","name":"${bad}"}],"steps":{"a":{"use":"text.stats"}}}`,
      "/triggers/0/name",
    ],
    ["POST", "/pipelines", (bad) => `{"name":"x",${document(`"with":{"x":"${bad}"}`).slice(1)}`, "/steps/a/with/x"],
  ];
  it.each(UNSTORABLE.flatMap((bad) => bodies.map((entry) => [bad, ...entry] as const)))(
    "%s in a body of %s %s is refused at its place",
    async (bad, method, path, body, pointer) => {
      expect(await refused(await tenant.fetch(path, json(method, body(bad))))).toEqual([pointer]);
    },
  );

  it.each(UNSTORABLE)("%s in a name is refused", async (bad) => {
    const inKey = await refused(await tenant.fetch("/jobs", json("POST", `{"pipeline":"a","inputs":["x"],"metadata":{"a${bad}":""}}`)));
    expect(inKey).toEqual([`/metadata/a${JSON.parse(`"${bad}"`)}`]);
    await refused(await tenant.fetch("/jobs", json("POST", `{"pipeline":"a","inputs":["a${bad}"],"params":{"${bad}":1}}`)));
  });

  it.each(UNSTORABLE)("%s in a form is refused, and nothing is kept", async (bad) => {
    expect(await refused(await tenant.fetch("/files", form({ metadata: `{"a":"${bad}"}` })))).toEqual(["/metadata/a"]);
    expect(await refused(await tenant.fetch("/files", form({ pipeline: "text-stats", params: `{"a":"${bad}"}` })))).toEqual(["/params/a"]);
    const pipeline = document(`"with":{"x":"${bad}"}`);
    expect(await refused(await tenant.fetch("/files", form({ pipeline })))).toEqual(["/pipeline/steps/a/with/x"]);
    expect((await answerOf(await tenant.fetch("/files"))).data).toEqual([]);
  });

  it("in a form's pipeline name is refused", async () => {
    await refused(await tenant.fetch("/files", form({ pipeline: "a\0b" })));
  });

  it("are told by the linter", async () => {
    const answer = await tenant.fetch("/pipelines/lint", json("POST", document(`"with":{"x":"\\u0000"}`)));
    expect([answer.status, await answer.json()]).toMatchObject([200, { valid: false, issues: [{ pointer: "/steps/a/with/x" }] }]);
  });
});

describe("times", () => {
  it.each(["0000-01-01T00:00:00Z", "2026-01-01T00:00:00+23:59", `2026-01-01T00:00:00.${"1".repeat(500)}Z`])(
    "%s is refused where PostgreSQL would not take it",
    async (time) => {
      for (const list of ["files", "jobs"]) {
        for (const filter of ["created_after", "created_before"]) {
          expect(await refused(await tenant.fetch(`/${list}?${filter}=${encodeURIComponent(time)}`))).toContain(`/querystring/${filter}`);
        }
      }
    },
  );

  it.each(["0001-01-01T00:00:00+15:59", "9999-12-31T23:59:59.999999-15:59"])("%s is taken", async (time) => {
    for (const list of ["files", "jobs"]) {
      expect((await tenant.fetch(`/${list}?created_after=${encodeURIComponent(time)}`)).status).toBe(200);
    }
  });

  it("in a cursor that was made by hand are refused too", async () => {
    const made = Buffer.from(JSON.stringify(["0000-01-01T00:00:00Z", tenant.id])).toString("base64url");
    for (const list of ["files", "jobs", "admin/dead-letters"]) {
      expect(await refused(await tenant.fetch(`/${list}?cursor=${made}`))).toEqual(["/querystring/cursor"]);
    }
  });
});

describe("complexity", () => {
  it.each([
    ["arrays in arrays", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["objects in objects", `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`],
    ["8 MB of brackets that never end", "[".repeat(8_000_000)],
    ["too many objects", `[${"{},".repeat(200_000)}{}]`],
  ])("%s are refused before they are built", async (_label, body) => {
    for (const [method, path] of [
      ["POST", "/jobs"],
      ["POST", "/pipelines/lint"],
      ["PUT", "/pipelines/mine"],
    ] as const) {
      expect(await refused(await tenant.fetch(path, json(method, body)))).toEqual([""]);
    }
  });

  it("brackets in texts are texts", async () => {
    const answer = await tenant.fetch("/pipelines/lint", json("POST", JSON.stringify({ description: `\\"${"[".repeat(900)}`, steps: {} })));
    expect(await answer.json()).toMatchObject({ issues: [{ pointer: "/steps" }] });
  });

  it("a form's fields have the same limits", async () => {
    const deep = `{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`;
    for (const fields of [{ metadata: deep }, { pipeline: deep }, { pipeline: "text-stats", params: deep }]) {
      await refused(await tenant.fetch("/files", form(fields)));
    }
  });
});

describe("what a request says of itself", () => {
  it.each([
    ["/files?statuss=stored", "/querystring/statuss", 'Did you mean "status"?'],
    ["/jobs?statuss=failed", "/querystring/statuss", 'Did you mean "status"?'],
    ["/pipelines?limits=3", "/querystring/limits", 'Did you mean "limit"?'],
    ["/admin/dead-letters?lan=x", "/querystring/lan", 'Did you mean "lane"?'],
    ["/jobs/job_x/items?cursr=x", "/querystring/cursr", 'Did you mean "cursor"?'],
    ["/pipelines?metadata.a=x", "/querystring/metadata.a", undefined],
  ])("%s has a name that is not known", async (path, pointer, suggestion) => {
    const { issues } = await answerOf(await tenant.fetch(path));
    expect(issues).toEqual([{ pointer, message: expect.stringContaining("is not known here"), ...(suggestion && { suggestion }) }]);
  });

  it("metadata is known on lists of files and jobs", async () => {
    for (const list of ["files", "jobs"]) expect((await tenant.fetch(`/${list}?metadata.any=x&limit=1`)).status).toBe(200);
  });

  const inputs = ["x"];
  it.each([
    ["no pipeline", { inputs }, { pointer: "/pipeline", message: "must be a name or a document" }],
    ["a null pipeline", { inputs, pipeline: null }, { pointer: "/pipeline", message: "must be a name or a document" }],
    ["a webhook", { inputs, pipeline: "a", webhook: {} }, { pointer: "/webhook", message: "is not available yet; leave it out" }],
    [
      "a source of no kind",
      { pipeline: "a", source: {} },
      { pointer: "/source/kind", message: "Invalid discriminator value. Expected 'urls' | 's3' | 'azure' | 'folder' | 'generate'" },
    ],
    ["an unknown member", { inputs, pipeline: "a", "a/b": 1 }, { pointer: "/a~1b", message: '"a/b" is not known here' }],
    ["no object", [], { pointer: "" }],
  ])("%s in an order is told at its place", async (_label, body, issue) => {
    const answer = await answerOf(await tenant.fetch("/jobs", json("POST", JSON.stringify(body))));
    expect(answer.issues).toMatchObject([issue]);
  });

  it.each([
    ["PATCH", "/files", "GET, HEAD, POST"],
    ["POST", "/files/file_x", "DELETE, GET, HEAD, PATCH, PUT"],
    ["PUT", "/jobs/job_x/cancel", "POST"],
    ["DELETE", "/files/a/content", "GET, HEAD"],
    ["PATCH", "/nothing", undefined],
  ])("%s %s: what the path takes instead", async (method, path, allowed) => {
    const answer = await tenant.fetch(path, { method });
    expect([answer.status, answer.headers.get("allow") ?? undefined]).toEqual([allowed === undefined ? 404 : 405, allowed]);
    expect((await answerOf(answer)).code).toBe(allowed === undefined ? "not_found" : "method_not_allowed");
  });

  it("a pipeline in a form is linted as one in an order", async () => {
    const pipeline = { steps: { a: { use: "image.metdata", neds: [] } } };
    const inForm = await answerOf(await tenant.fetch("/files", form({ pipeline: JSON.stringify(pipeline) })));
    const inOrder = await answerOf(await tenant.fetch("/jobs", json("POST", JSON.stringify({ pipeline, inputs }))));
    expect(inForm.issues).toEqual(inOrder.issues);
    expect(inForm.issues).toHaveLength(2);
  });
});
