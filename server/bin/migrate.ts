import { loginOf, readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { migrate } from "../src/db/migrate.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import { openLog } from "../src/telemetry/log.ts";
import { runProcess } from "./run-process.ts";

/**
 * Brings the database to this version, then exits: 0 when it is there. With FILEMILL_DATABASE_ADMIN_URL it acts as that
 * user and makes the one of FILEMILL_DATABASE_URL. With --check it only looks, and exits 1 with what is missing.
 */
await runProcess(
  async () => {
    const config = readConfig(process.env);
    const log = openLog({ level: config.telemetry.logLevel, process: "migrate" });
    if (config.failpoints !== undefined) installFailpoint(config.failpoints);
    const url = requireDatabaseUrl(config);
    if (process.argv.includes("--check")) return await check(url);
    const applied = await migrate(
      config.database.adminUrl === undefined ? { url } : { url: config.database.adminUrl, login: loginOf(url) },
    );
    log.info({ applied }, applied.length > 0 ? "the database was migrated" : "the database is up to date");
  },
  { stopWithinMs: 1_000 },
);
process.exit();

async function check(url: string): Promise<void> {
  const database = openDatabase({ url, applicationName: "filemill-migrate", maxConnections: 1 });
  try {
    await requireMigrated(database);
  } finally {
    await database.close();
  }
}
