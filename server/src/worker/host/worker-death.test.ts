import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { NO_SANDBOX, openTestPool, processesWith, until } from "../../../test/hosts.ts";
import { processTree } from "./process-tree.ts";

/** A worker that has one host blocked in an endless loop and one spare, then tells their pids. */
const WORKER = `
  import { openTestPool, step, NO_SANDBOX } from ${JSON.stringify(new URL("../../../test/hosts.ts", import.meta.url).href)};
  const [root, mode] = process.argv.slice(2);
  const hosts = await openTestPool({ scratchRoot: root, ...(mode === "none" && { sandbox: NO_SANDBOX }) });
  hosts.run("a", {
    steps: [step("demo.hang", { with: { spin: true, fork: true } })],
    files: { [root]: "x" },
    onBegun: () => console.log("running"),
  });
`;

test.each(["bwrap", "none"])(
  "hosts end with a killed worker, also when their event loop hangs, and its files are collected (%s)",
  async (mode) => {
    const folder = await mkdtemp(join(tmpdir(), "filemill-death-"));
    const root = join(folder, "scratch");
    const script = join(folder, "worker.ts");
    await writeFile(script, WORKER);
    const worker = spawn(process.execPath, [script, root, mode], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await new Promise<void>((resolve) => createInterface(worker.stdout).once("line", () => resolve()));
      // Hosts have the worker's scratch folder or its processors in their command line or environment; the child, its name.
      const mark = `demo.hang:${root}`;
      await until(async () => (await processesWith(mark)).length > 0, 5_000);
      const children = processTree(worker.pid ?? -1).filter((pid) => pid !== worker.pid);
      expect(children.length).toBeGreaterThanOrEqual(2);

      worker.kill("SIGKILL");

      await until(() => children.every((pid) => !isThere(pid)), 5_000);
      await until(async () => (await processesWith(mark)).length === 0, 5_000);
      expect(await readdir(root)).toHaveLength(1);
      await using next = await openTestPool({ scratchRoot: root, spares: 0, sandbox: NO_SANDBOX });
      expect(await readdir(root)).toHaveLength(1);
      expect(next.pool.hosts()).toEqual([]);
      expect((await readdir(root))[0]).toContain(`${process.pid}-`);
    } finally {
      worker.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true });
    }
  },
);

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
