import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SERVER_FOLDERS } from "./arrows.ts";
import { failpointPlaces, failpointProblems } from "./failpoints.ts";
import { ROOT, trackedFiles } from "./tracked-files.ts";

/** What the linter can't see: names of files and folders, the lock file, and failpoints that share a name. */
const files = await trackedFiles();
const problems = [
  ...drawers(files),
  ...unknownFolders(files),
  ...(await registryAddresses()),
  ...failpointProblems(await failpointPlaces()),
];
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
