import { encodeId } from "@filemill/contract/ids.ts";
import type { KeyStatusResource } from "@filemill/contract/keys.ts";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptBy } from "../../../test/kept.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { StorageError } from "../../errors.ts";
import { createEnvProvider } from "../../storage/keys/env-provider.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import { newRootKey } from "../../storage/keys/local-keys.ts";

const real = createEnvProvider(newRootKey());
let isAway = false;
const moody: KeyProvider = {
  ...real,
  wrap: (key, name) => unlessAway(() => real.wrap(key, name)),
  unwrap: (wrapped, name) => unlessAway(() => real.unwrap(wrapped, name)),
};

async function unlessAway<T>(work: () => Promise<T>): Promise<T> {
  if (isAway) throw new StorageError("unavailable", "the key store is away");
  return await work();
}

let app: TestApp;
let operator: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ keyProvider: moody });
  operator = await app.tenant("operator");
});
afterAll(() => app.close());

const put = (tenant: TestTenant, text = "content") => tenant.fetch("/files/a.txt", { method: "PUT", body: text });
const rotate = (tenant: TestTenant, body: object) =>
  tenant.fetch("/admin/keys/rotate", { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
const statusOf = async (answer: Response) => (await answer.json()) as KeyStatusResource;

describe("/admin/keys", () => {
  test.each(["read-only", "user", "admin"] as const)("is not for a tenant's %s", async (role) => {
    const tenant = await app.tenant(role);
    expect((await tenant.fetch("/admin/keys")).status).toBe(403);
    expect((await rotate(tenant, { scope: "tenant" })).status).toBe(403);
  });

  test("tells how keys are wrapped, and rotates a tenant's", async () => {
    const tenant = await app.tenant();
    await put(tenant);
    const before = await statusOf(await operator.fetch("/admin/keys"));
    expect(before.root).toMatchObject({ provider: "env", version: await real.version(), tenant_keys_to_rewrap: 0 });
    const answer = await rotate(operator, { scope: "tenant", tenant_id: encodeId("tenant", tenant.id) });
    expect(answer.status).toBe(202);
    const after = await statusOf(answer);
    expect(after.tenants.retired_versions).toBe(before.tenants.retired_versions + 1);
    expect(after.tenants.object_keys_to_rewrap).toBe(before.tenants.object_keys_to_rewrap + 1);
  });

  test("names no key", async () => {
    await put(operator);
    const text = await (await operator.fetch("/admin/keys")).text();
    const rows = await app.cloned.database.asSystem((transaction) =>
      transaction.query<{ wrapped: string }>(sql`SELECT encode(wrapped_key, 'base64') AS wrapped FROM tenant_keys`),
    );
    for (const { wrapped } of rows) expect(text).not.toContain(wrapped.slice(0, 20));
  });

  test("says what to do where the root key can't be rotated from here", async () => {
    const answer = await rotate(operator, { scope: "root" });
    expect([answer.status, (await answerOf(answer)).detail]).toEqual([409, expect.stringContaining("put a new one in front of it")]);
  });

  test.each([
    [{ scope: "tenant", tenant_id: encodeId("tenant", uuidv7()) }, 404],
    [{ scope: "tenant", tenant_id: "ten_x" }, 404],
    [{ scope: "everything" }, 400],
    [{ scope: "root", tenant_id: "ten_x" }, 400],
    [{}, 400],
  ])("answers %j with %i", async (body, status) => {
    expect((await rotate(operator, body)).status).toBe(status);
  });
});

describe("while the key store is away", () => {
  test("nothing is stored and nothing is sent, with 503; afterwards everything is there", async () => {
    const known = await app.tenant();
    const { files } = await answerOf(await put(known, "x".repeat(50_000)));
    const strangers = await Promise.all([app.tenant(), app.tenant()]);
    const before = await keptBy(app);
    isAway = true;
    for (const [index, tenant] of strangers.entries()) {
      const answer = await put(tenant, "y".repeat(index * 40_000));
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
      expect((await answerOf(answer)).code).toBe("unavailable");
    }
    expect(await keptBy(app)).toEqual(before);
    isAway = false;
    for (const tenant of strangers) expect((await put(tenant)).status).toBe(201);
    expect(await (await known.fetch(`/files/${files[0]?.id}/content`)).text()).toHaveLength(50_000);
  });
});
