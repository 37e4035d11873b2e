import { readdir, readFile } from "node:fs/promises";

/** The process that has this parent and this module on its command line. */
export async function childOf(parent: number, module: string): Promise<number | undefined> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    if (Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) !== parent) continue;
    if ((await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).includes(module)) return Number(name);
  }
  return undefined;
}
