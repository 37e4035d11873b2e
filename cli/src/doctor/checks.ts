import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dataFolder } from "@filemill/contract/data-folder.ts";
import { connect } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import { apiKey, serverUrl, type Context } from "../context.ts";
import { size } from "../terminal/print.ts";
import { database } from "./database.ts";
import type { Check, Finding } from "./finding.ts";
import { ports } from "./ports.ts";
import { stores } from "./stores.ts";

const NEEDED_NODE = 24;
const NEEDED_SPACE_BYTES = 1 * 2 ** 30;
const TIMEOUT_MS = 5_000;

export const CHECKS: readonly Check[] = [
  { name: "node", look: node },
  { name: "data folder", look: folder },
  { name: "disk space", look: space },
  { name: "database", look: database },
  { name: "stores", look: stores },
  { name: "sandbox", look: sandbox },
  { name: "ports", look: ports },
  { name: "API", look: api },
  { name: "key", look: key },
];

async function node(): Promise<Finding> {
  const found = `Node ${process.versions.node}`;
  if (Number(process.versions.node.split(".")[0]) >= NEEDED_NODE) return { ok: true, found };
  return {
    ok: false,
    found,
    advice: `Node ${NEEDED_NODE} is needed: run \`npm ci\` in the repository, then use npx filemill or npm start.`,
  };
}

async function folder(context: Context): Promise<Finding> {
  const path = dataFolder(context.environment);
  const advice = `Give this user the folder, or set FILEMILL_DATA_DIR to one that it may write to.`;
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return { ok: true, found: path };
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
      return { ok: false, found: `${path} is not writable`, advice };
  }
  const parent = await existing(dirname(path));
  return access(parent, constants.W_OK).then(
    () => ({ ok: true, found: `${path} (made at the first start)` }),
    () => ({ ok: false, found: `${path} can't be made: ${parent} is not writable`, advice }),
  );
}

async function space(context: Context): Promise<Finding> {
  const about = await statfs(await existing(dataFolder(context.environment)));
  const free = about.bavail * about.bsize;
  const found = `${size(free)} free`;
  if (free >= NEEDED_SPACE_BYTES) return { ok: true, found };
  return { ok: false, found, advice: `Free at least ${size(NEEDED_SPACE_BYTES)}, or set FILEMILL_DATA_DIR to a larger disk.` };
}

async function sandbox(context: Context): Promise<Finding> {
  if (await bwrapWorks()) return { ok: true, found: "bwrap works" };
  const required = context.environment["FILEMILL_SANDBOX"] === "required";
  const found = "bwrap does not work here";
  if (!required) return { ok: true, found: `${found}; processors run with process limits only (best-effort)` };
  return { ok: false, found, advice: "Install bubblewrap and allow user namespaces, or set FILEMILL_SANDBOX=best-effort." };
}

async function api(context: Context): Promise<Finding> {
  const url = serverUrl(context);
  const state = await connect({ url }).ready(AbortSignal.timeout(TIMEOUT_MS));
  if (state.ready) return { ok: true, found: `${url} is ready` };
  return { ok: false, found: state.detail, advice: "Start the platform with `filemill up`, or set FILEMILL_URL to where it runs." };
}

async function key(context: Context): Promise<Finding> {
  const chosen = await apiKey(context);
  if (chosen === undefined) {
    return { ok: false, found: "no key", advice: "Set FILEMILL_KEY; on the platform's machine it is in admin.key in the data folder." };
  }
  try {
    await connect({ url: serverUrl(context), key: chosen, retries: 0 })
      .files.list({ limit: 1, signal: AbortSignal.timeout(TIMEOUT_MS) })
      .page();
    return { ok: true, found: "accepted" };
  } catch (error) {
    const refused = error instanceof FilemillError && error.status === 401;
    if (refused)
      return { ok: false, found: "refused", advice: "The key belongs to another server or was revoked: set FILEMILL_KEY to a valid one." };
    return {
      ok: false,
      found: `not tried: ${error instanceof FilemillError ? error.detail : String(error)}`,
      advice: "Make the API reachable first.",
    };
  }
}

async function existing(path: string): Promise<string> {
  return stat(path).then(
    () => path,
    () => (dirname(path) === path ? path : existing(dirname(path))),
  );
}

async function bwrapWorks(): Promise<boolean> {
  const child = spawn("bwrap", ["--ro-bind", "/", "/", "--unshare-net", "true"], { stdio: "ignore", timeout: TIMEOUT_MS });
  try {
    await once(child, "exit");
    return child.exitCode === 0;
  } catch {
    return false;
  }
}
