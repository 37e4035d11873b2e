import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Context } from "../context.ts";
import type { Finding } from "./finding.ts";

const CHECK = fileURLToPath(new URL("../../../server/bin/check-stores.ts", import.meta.url));
const TIMEOUT_MS = 30_000;

/** Can each configured store be written, read, listed and deleted from here? Asked of the server's own program. */
export async function stores(context: Context): Promise<Finding> {
  const child = spawn(process.execPath, [CHECK], { env: context.environment, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
  const told = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      told[name] += text;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  const lines = (text: string) => text.trim().split("\n").join("; ");
  if (code === 0) return { ok: true, found: lines(told.stdout) };
  return {
    ok: false,
    found: lines(told.stderr) || "the stores did not answer",
    advice: "Correct FILEMILL_STORAGE_URL and the store's credentials, or make the bucket or container; see docs/guides/stores.md.",
  };
}
