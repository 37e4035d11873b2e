import { pino } from "pino";
import { openDatabase } from "../../src/db/database.ts";
import { installFailpoint } from "../../src/failpoint.ts";
import { createKeyAdmin } from "../../src/lifecycle/keys/key-admin.ts";
import { runKeyRound } from "../../src/lifecycle/keys/key-rounds.ts";
import { createContentKeys } from "../../src/storage/keys/content-keys.ts";
import { createFileProvider } from "../../src/storage/keys/file-provider.ts";
import { createTenantKeys } from "../../src/storage/keys/tenant-keys.ts";
import { tenantKeyRows } from "../../src/tenants/tenant-key-rows.ts";

/** Both rotations and a round of what follows, as a process of its own: <database URL> <root key file> <tenant> <failpoints>. */
const [url = "", rootKeyFile = "", tenantId = "", failpoints = ""] = process.argv.slice(2);
installFailpoint(failpoints);
const database = openDatabase({ url, applicationName: "keys" });
const provider = createFileProvider(rootKeyFile);
const contentKeys = createContentKeys(createTenantKeys({ provider, rows: tenantKeyRows(database) }));
const admin = createKeyAdmin({ database, provider, rounds: { wake: () => {} } });
await admin.rotateRoot({ tenantId, actor: "key_operator" });
await admin.rotateTenant({ tenantId, actor: "key_operator" });
await runKeyRound({ database, provider, contentKeys, log: pino({ level: "silent" }) });
await database.close();
