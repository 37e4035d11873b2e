import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export interface PowerCuts {
  readonly acknowledged: number;
  /** Places at which the power was cut. */
  readonly steps: number;
  /** Keys that had been acknowledged and would have been lost. */
  readonly lost: readonly string[];
}

/** F30 for the disk store of a checkout. */
export async function powerCuts(checkout: string): Promise<PowerCuts> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-power-"));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "put-and-cut.ts"), checkout, folder], {
      env: { PATH: process.env.PATH },
      timeout: 60_000,
    });
    return JSON.parse(stdout) as PowerCuts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
