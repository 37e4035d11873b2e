import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT, trackedFiles } from "./tracked-files.ts";

/** A named place where faults are injected (server/src/failpoint.ts). */
export interface FailpointPlace {
  readonly name: string;
  /** Path and line, such as `server/src/worker/loop.ts:120`. */
  readonly place: string;
}

/** Every failpoint of the product, in the order of files and lines: found by its literal name, so that none can be left out. */
export async function failpointPlaces(): Promise<FailpointPlace[]> {
  const sources = (await trackedFiles()).filter(
    (path) => /^server\/(?:src|bin)\/.*\.ts$/.test(path) && !/\.(?:test|contract)\.ts$/.test(path),
  );
  const found = await Promise.all(sources.map(async (path) => placesIn(path, await readFile(join(ROOT, path), "utf8"))));
  return found.flat();
}

/** What is wrong with them, a sentence each: two places of one name can't be hit apart, a computed name can't be listed. */
export function failpointProblems(places: readonly FailpointPlace[]): string[] {
  const byName = Map.groupBy(places, ({ name }) => name);
  return [...byName].flatMap(([name, all]) => {
    const where = all.map(({ place }) => place).join(", ");
    if (name === "") return [`${where}: give the failpoint its name as a literal, so that the list can be made from the sources`];
    if (!NAME.test(name)) return [`${where}: failpoint "${name}" must be lower-case letters, digits and hyphens`];
    return all.length > 1 ? [`failpoint "${name}" stands at ${all.length} places (${where}): give each its own name`] : [];
  });
}

const NAME = /^[a-z][a-z0-9-]*$/;
const CALL = /(?<!function )\bfailpoint\(\s*(?:"([^"]*)"\s*\))?/g;

function placesIn(path: string, text: string): FailpointPlace[] {
  return [...text.matchAll(CALL)].map((match) => ({
    name: match[1] ?? "",
    place: `${path}:${text.slice(0, match.index).split("\n").length}`,
  }));
}

if (import.meta.main) {
  const places = await failpointPlaces();
  for (const { name, place } of places) console.log(`${name.padEnd(36)} ${place}`);
  const problems = failpointProblems(places);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
