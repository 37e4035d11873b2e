import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { SERVER_FOLDERS } from "./arrows.ts";
import { ROOT, trackedFiles } from "./tracked-files.ts";

/** What the linter can't see: names of files and folders, the lock file, and failpoints that share a name. */
const files = await trackedFiles();
const problems = [...drawers(files), ...unknownFolders(files), ...(await registryAddresses()), ...(await doubledFailpoints(files))];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

/** A drawer collects what has no better place; the path must say what a file is about. */
function drawers(paths: readonly string[]): string[] {
  const forbidden = new Set(["utils", "util", "helpers", "helper", "common", "lib", "misc", "shared", "types"]);
  const code = paths.filter((path) => path.endsWith(".ts"));
  return code
    .filter((path) => path.split("/").some((part) => forbidden.has(part.replace(/\.ts$/, ""))))
    .map((path) => `${path}: name it for what it holds, not utils, helpers, common, lib, misc, shared or types`);
}

/** A folder without a row in the table of arrows would be bound by none. */
function unknownFolders(paths: readonly string[]): string[] {
  const found = new Set(paths.map((path) => /^server\/src\/([^/]+)\//.exec(path)?.[1]).filter((folder) => folder !== undefined));
  return [...found]
    .filter((folder) => !(folder in SERVER_FOLDERS))
    .map((folder) => `server/src/${folder}/ has no row in scripts/arrows.ts`);
}

/** The lock file is installed from whatever registry the reader uses. */
async function registryAddresses(): Promise<string[]> {
  const lines = (await readFile(join(ROOT, "package-lock.json"), "utf8")).split("\n");
  return lines.flatMap((line, index) =>
    /"resolved":\s*"(?:https?|git)/.test(line) ? [`package-lock.json:${index + 1} holds a registry address: ${line.trim()}`] : [],
  );
}

/** Faults are injected by name; two places of one name could not be hit apart. */
async function doubledFailpoints(paths: readonly string[]): Promise<string[]> {
  const places = new Map<string, string[]>();
  const sources = paths.filter((path) => /^server\/(?:src|bin)\/.*\.ts$/.test(path) && !/\.(?:test|contract)\.ts$/.test(path));
  for (const path of sources) {
    const text = await readFile(join(ROOT, path), "utf8");
    for (const match of text.matchAll(/\bfailpoint\(\s*"([^"]+)"/g)) {
      const name = match[1] ?? "";
      places.set(name, [...(places.get(name) ?? []), basename(path)]);
    }
  }
  return [...places]
    .filter(([, where]) => where.length > 1)
    .map(([name, where]) => `failpoint "${name}" stands at ${where.length} places (${where.join(", ")}): give each its own name`);
}
