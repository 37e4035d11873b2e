import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dataFolder } from "@filemill/contract/data-folder.ts";
import type { Context } from "../context.ts";
import type { Finding } from "./finding.ts";
import { reach } from "./reach.ts";

const MIGRATE = fileURLToPath(new URL("../../../server/bin/migrate.ts", import.meta.url));
const DEFAULT_PORT = 5432;
const TIMEOUT_MS = 15_000;

/** Is it there, and does it have every migration of this version? */
export async function database(context: Context): Promise<Finding> {
  const url = context.environment["FILEMILL_DATABASE_URL"];
  return !url || url === "embedded" ? await embedded(context) : await external(url, context);
}

/** `npm start` makes, starts and migrates it: what can be wrong is that it should run and does not answer. */
async function embedded(context: Context): Promise<Finding> {
  const folder = join(dataFolder(context.environment), "database");
  const written = await readFile(join(folder, "cluster", "postmaster.pid"), "utf8").catch(() => "");
  const port = Number(written.split("\n")[3]);
  if (!port) return { ok: true, found: "embedded; it does not run now, npm start starts and migrates it" };
  if (await reach("127.0.0.1", port)) return { ok: true, found: `embedded; it runs at port ${port} and was migrated when it was started` };
  return {
    ok: false,
    found: `embedded; it should run at port ${port}, and takes no connections`,
    advice: `Start the platform again with npm start, which recovers it. Its log is ${join(folder, "postgresql.log")}.`,
  };
}

async function external(url: string, context: Context): Promise<Finding> {
  if (!URL.canParse(url)) {
    return { ok: false, found: "FILEMILL_DATABASE_URL is not a URL", advice: "Write it as postgres://user:password@host:5432/database." };
  }
  const { hostname, port } = new URL(url);
  const place = `${hostname}:${port || DEFAULT_PORT}`;
  if (!(await reach(hostname, Number(port || DEFAULT_PORT)))) {
    return { ok: false, found: `${place} takes no connections`, advice: "Start PostgreSQL there, or correct FILEMILL_DATABASE_URL." };
  }
  const complaint = await checkMigrations(url, context);
  if (complaint === undefined) return { ok: true, found: `${place} is reachable and migrated` };
  return { ok: false, found: `${place}: ${complaint}`, advice: "Correct the user and password, or run `node server/bin/migrate.ts`." };
}

/** undefined when all are applied, else why not; asked of the server's own program, which alone knows them. */
async function checkMigrations(url: string, context: Context): Promise<string | undefined> {
  const child = spawn(process.execPath, [MIGRATE, "--check"], {
    env: { PATH: context.environment["PATH"], FILEMILL_DATABASE_URL: url, FILEMILL_LOG_LEVEL: "silent" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: TIMEOUT_MS,
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code === 0) return undefined;
  return complaint.trim().split("\n")[0] || "it could not be asked for its migrations";
}
