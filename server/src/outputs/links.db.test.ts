import { v7 as uuidv7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { cloneDatabase } from "../../test/database.ts";
import { keysFor } from "../../test/tenant-keys.ts";
import { sql } from "../db/sql.ts";
import { createDownloadLink, openDownloadLink, revokeDownloadLinks } from "./links.ts";

it("takes back the links of a quarantined file too, which may be found whole again", async () => {
  const { database, close } = await cloneDatabase();
  onTestFinished(close);
  const [tenantId, id] = [uuidv7(), uuidv7()];
  const become = (status: string) =>
    database.asSystem((transaction) => transaction.execute(sql`UPDATE files SET status = ${status} WHERE id = ${id}::uuid`));
  await database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, 'links')`));
  await database.asTenant(tenantId, (transaction) =>
    transaction.execute(sql`
      INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
      VALUES (${id}::uuid, ${tenantId}::uuid, 'a', 7, decode(repeat('00', 32), 'hex'), 'text/plain', 'upload')`),
  );
  const services = { database, keys: keysFor(database) };
  const file = { tenantId, fileId: id, actor: "somebody" };
  const { token } = await createDownloadLink(services, { ...file, expiresInMs: 60_000 });
  await become("quarantined");
  expect(await openDownloadLink(services, token)).toBeUndefined();
  await become("stored");
  expect(await openDownloadLink(services, token)).toMatchObject({ id });

  await become("quarantined");
  await revokeDownloadLinks(database, file);
  await become("stored");
  expect(await openDownloadLink(services, token)).toBeUndefined();
});
