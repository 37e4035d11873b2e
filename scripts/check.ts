import { spawn } from "node:child_process";
import { delimiter, join, resolve } from "node:path";

/**
 * `npm run check`: everything that can be said about the code without running it; people and CI run this same command.
 * All checks run, two at a time, also when one fails, so that one run shows all there is to mend. Exits 1 when any failed.
 */
const CHECKS: readonly { name: string; command: readonly string[]; mend?: string }[] = [
  { name: "types", command: ["tsc", "-p", "."] },
  { name: "types of pages", command: ["tsc", "-p", "apps/tsconfig.page.json"] },
  { name: "lint and arrows", command: ["oxlint", "--deny-warnings"] },
  { name: "format", command: ["oxfmt", "--check", "."], mend: "npm run format" },
  { name: "unused code", command: ["knip", "--no-progress"] },
  { name: "layout", command: ["node", "scripts/check-layout.ts"] },
  { name: "dead links", command: ["node", "scripts/check-links.ts"] },
];
const AT_ONCE = 2;

const root = resolve(import.meta.dirname, "..");
const waiting = [...CHECKS];
const failed: string[] = [];

await Promise.all(Array.from({ length: AT_ONCE }, () => runFrom(waiting)));
if (failed.length > 0) {
  console.error(`\n${failed.length} of ${CHECKS.length} checks failed: ${failed.join(", ")}`);
  process.exitCode = 1;
} else {
  console.log(`\nall ${CHECKS.length} checks passed`);
}

async function runFrom(queue: typeof waiting): Promise<void> {
  for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
    const started = performance.now();
    const { code, output } = await run(check.command);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (code === 0) {
      console.log(`ok    ${check.name} (${seconds} s)`);
    } else {
      failed.push(check.name);
      const mend = check.mend === undefined ? "" : `; mend it with: ${check.mend}`;
      console.error(`\nFAIL  ${check.name} (${seconds} s): ${check.command.join(" ")}${mend}\n${output.trimEnd()}\n`);
    }
  }
}

function run(command: readonly string[]): Promise<{ code: number; output: string }> {
  const [program = "", ...args] = command;
  // Tools of the project before those of the machine, so that this also works without npm.
  const path = [join(root, "node_modules/.bin"), process.env["PATH"]].join(delimiter);
  return new Promise((done, broken) => {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, PATH: path }, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", broken);
    child.once("close", (code) => done({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
