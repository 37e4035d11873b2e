import { access, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adminKeyFile } from "@filemill/contract/data-folder.ts";
import type { Bootstrap } from "../src/tenants/bootstrap.ts";

export interface FirstKey {
  readonly first: Bootstrap;
  /** To be called once the key has been shown. */
  readonly shown: () => Promise<void>;
}

/**
 * Makes the first key, and remembers on the disk that nobody has seen it yet: the start that makes it may fail behind
 * that, because a port is taken for one, and then the next start that succeeds is the one to show it.
 */
export async function firstKey(dataFolder: string, make: () => Promise<Bootstrap>): Promise<FirstKey> {
  const keyFile = adminKeyFile(dataFolder);
  const mark = join(dataFolder, "admin.key.unshown");
  const shown = () => rm(mark, { force: true });
  // Before the key, so that being killed between the two hides nothing. A folder that is not there holds no key.
  if (!(await exists(keyFile)) && (await exists(dataFolder))) await writeFile(mark, "");
  const first = await make();
  if (first.newKey !== undefined || !(await exists(mark))) return { first, shown };
  if (first.keyFile === undefined) {
    await shown();
    return { first, shown };
  }
  return { first: { ...first, newKey: (await readFile(first.keyFile, "utf8")).trim() }, shown };
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
