import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHECKOUT } from "./site.ts";

/** A defect as a change of the sources. */
export interface Patch {
  /** Below server/src. */
  readonly file: string;
  readonly find: RegExp;
  readonly put: string;
}

const COPIED = ["package.json", "contract", "server", "acceptance/chaos/processors"];

/**
 * Gives `use` a copy of the checkout with a defect in it. Rejects where a patch finds nothing to change: then the sources
 * have moved on, and the sabotage proves nothing until it is made to fit.
 */
export async function sabotaged<T>(patches: readonly Patch[], use: (checkout: string) => Promise<T>): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), "filemill-sabotage-"));
  try {
    await mkdir(join(copy, "acceptance/chaos"), { recursive: true });
    for (const path of COPIED) await cp(join(CHECKOUT, path), join(copy, path), { recursive: true });
    await symlink(join(CHECKOUT, "node_modules"), join(copy, "node_modules"));
    for (const { file, find, put } of patches) {
      const path = join(copy, "server/src", file);
      const source = await readFile(path, "utf8");
      const changed = source.replace(find, put);
      if (changed === source) throw new Error(`the sabotage of ${file} finds nothing that looks like ${find}; make it fit the source`);
      await writeFile(path, changed);
    }
    return await use(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
