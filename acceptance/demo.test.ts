import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";

const DEMO = fileURLToPath(new URL("../cli/bin/demo.ts", import.meta.url));

test(
  "the demo runs the samples through its pipelines, names the results, ends with 0 and leaves nothing else",
  { timeout: 240_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "filemill-demo-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    // PostgreSQL's own user has to get through, where root starts it.
    await chmod(folder, 0o711);
    const work = join(folder, "work");
    const temporary = join(folder, "tmp");
    await mkdir(work);
    await mkdir(temporary, { mode: 0o711 });
    const { stdout } = await promisify(execFile)(process.execPath, [DEMO], { cwd: work, env: { ...process.env, TMPDIR: temporary } });
    expect(stdout).toContain("The results are in filemill-results/");
    const results = await readdir(join(work, "filemill-results"), { recursive: true, withFileTypes: true });
    const names = results.filter((entry) => entry.isFile()).map(({ name }) => name);
    expect(names.filter((name) => name.endsWith(".webp")).length).toBeGreaterThanOrEqual(5);
    for (const ending of [".zip", ".parquet", ".json", "scan.pdf.txt"]) expect(names.some((name) => name.endsWith(ending))).toBe(true);
    expect(await readdir(temporary)).toEqual([]);
    expect(await processesNaming(folder)).toEqual([]);
  },
);

async function processesNaming(folder: string): Promise<string[]> {
  const commands = (await readdir("/proc"))
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readFile(`/proc/${name}/cmdline`, "utf8").catch(() => ""));
  return (await Promise.all(commands)).filter((command) => command.includes(folder));
}
