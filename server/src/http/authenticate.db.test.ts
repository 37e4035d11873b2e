import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../test/test-app.ts";
import { openDatabase } from "../db/database.ts";
import { buildApp, type AppOptions } from "./app.ts";

let app: TestApp;
let tenant: TestTenant;
const routes: { method: string; path: string }[] = [];
beforeAll(async () => {
  const onRoute: AppOptions["onRoute"] = ({ method, url }) => {
    for (const one of [method].flat()) routes.push({ method: one, path: url });
  };
  app = await startTestApp({ options: { onRoute } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

/** Health, and signed links, which are proof enough themselves. */
const OPEN = ["/healthz", "/readyz", "/api/v1/links/:token"];

describe("authentication", () => {
  it("is asked for by every route but health and signed links, with one answer", async () => {
    expect(routes.map(({ method, path }) => `${method} ${path}`)).toEqual(
      expect.arrayContaining(["POST /api/v1/files", "PUT /api/v1/files/:name", "GET /api/v1/files/:id/content", "GET /openapi.json"]),
    );
    const bodies = new Set<string>();
    for (const { method, path } of routes.filter((route) => !OPEN.includes(route.path))) {
      const url = `${app.url}${path.replaceAll(/:\w+/g, "x").replaceAll("*", "x")}`;
      for (const authorization of [
        undefined,
        "Bearer nonsense",
        "Bearer fml_live_0000000000_x",
        `Basic ${btoa("x:nonsense")}`,
        "Bearer",
        `Bearer ${tenant.key}x`,
      ]) {
        const response = await fetch(url, { method, ...(authorization && { headers: { authorization } }) });
        expect([method, path, authorization, response.status]).toEqual([method, path, authorization, 401]);
        expect(response.headers.get("www-authenticate")).toMatch(/^(?:Bearer|Basic) realm="filemill"/);
        if (method !== "HEAD") bodies.add((await response.text()).replace(/urn:request:[0-9a-f-]+/, ""));
      }
    }
    expect(bodies.size).toBe(1);
  });

  it("is asked for where there is no route", async () => {
    expect((await fetch(`${app.url}/api/v1/nothing`)).status).toBe(401);
    const response = await tenant.fetch("/nothing");
    expect([response.status, (await answerOf(response)).code]).toEqual([404, "not_found"]);
  });

  it("does not take a key from the URL", async () => {
    expect((await fetch(`${app.url}/api/v1/files?access_token=${tenant.key}`)).status).toBe(401);
  });

  it("takes the key as a Basic password where people look, and only there", async () => {
    const headers = { authorization: `Basic ${btoa(`me:${tenant.key}`)}` };
    for (const path of ["/openapi.json", "/docs/"]) expect((await fetch(app.url + path, { headers })).status, path).toBe(200);
    expect((await fetch(`${app.url}/docs/`)).headers.get("www-authenticate")).toMatch(/^Basic /);
    expect((await fetch(`${app.url}/api/v1/files`, { headers })).status).toBe(401);
  });

  it("lets a read-only key read and not write", async () => {
    const key = await tenant.keyWithRole("read-only");
    const call = (method: string, path: string) =>
      fetch(`${app.url}/api/v1${path}`, { method, headers: { authorization: `Bearer ${key}` } });
    expect((await call("GET", "/files")).status).toBe(200);
    for (const [method, path] of [
      ["PUT", "/files/a"],
      ["POST", "/files"],
      ["DELETE", "/files/a"],
    ] as const) {
      const response = await call(method, path);
      expect([method, response.status, (await answerOf(response)).code]).toEqual([method, 403, "forbidden"]);
    }
  });
});

describe("problems", () => {
  it("are JSON with a code, and give a request id that the log has too", async () => {
    const response = await tenant.fetch("/files/file_x");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const id = response.headers.get("x-request-id");
    expect(await answerOf(response)).toEqual({
      type: "about:blank",
      title: "Not Found",
      status: 404,
      code: "not_found",
      detail: 'There is no file "file_x".',
      instance: `urn:request:${id}`,
    });
  });

  it("hide what nobody foresaw, and log it", async () => {
    const broken = await startTestApp({ store: (real) => ({ ...real, put: () => Promise.reject(new Error("secret detail")) }) });
    const other = await broken.tenant();
    const response = await other.fetch("/files/a", { method: "PUT", body: "x".repeat(50_000) });
    const answer = await response.text();
    expect([response.status, JSON.parse(answer).code]).toEqual([500, "internal"]);
    expect(answer).not.toContain("secret");
    expect(JSON.stringify(broken.logged)).toContain("secret detail");
    await broken.close();
  });

  it("say unavailable where the database is away", async () => {
    const database = openDatabase({ url: "postgres://nobody@127.0.0.1:1/none", applicationName: "test" });
    const apart = await buildApp({ ...app.services, database });
    const response = await apart.inject({ url: "/api/v1/files", headers: { authorization: `Bearer ${tenant.key}` } });
    expect([response.statusCode, response.json().code, response.headers["retry-after"]]).toEqual([503, "unavailable", "5"]);
    await apart.close();
    await database.close();
  });
});

describe("the description of the API", () => {
  it("is OpenAPI 3.1 and has the routes", async () => {
    const response = await fetch(`${app.url}/openapi.json`, { headers: { authorization: `Bearer ${tenant.key}` } });
    const document = await answerOf(response);
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(["/api/v1/files", "/api/v1/files/{id}/content"]));
  });

  it("is browsable without anything from elsewhere", async () => {
    const headers = { authorization: `Basic ${btoa(`me:${tenant.key}`)}` };
    const page = await (await fetch(`${app.url}/docs/`, { headers })).text();
    const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? "");
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) {
      expect(source).not.toMatch(/^(?:https?:)?\/\//);
      if (!source.startsWith("data:")) expect((await fetch(new URL(source, `${app.url}/docs/`), { headers })).status, source).toBe(200);
    }
  });
});
