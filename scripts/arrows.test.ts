import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
let copy = "";

/** Path of a module → one import that it makes, and whether the linter must refuse it. */
const IMPORTS: readonly { from: string; to: string; refused: boolean }[] = [
  { from: "server/src/queue/bad.ts", to: "../worker/loop.ts", refused: true },
  { from: "server/src/queue/good.ts", to: "../db/sql.ts", refused: false },
  { from: "server/src/queue/leaf.ts", to: "../telemetry/log.ts", refused: false },
  { from: "server/src/queue/other.test.ts", to: "../worker/loop.ts", refused: false },
  { from: "server/src/jobs/declares.ts", to: "../processors/catalogue.ts", refused: false },
  { from: "server/src/jobs/runs.ts", to: "../processors/image-resize.ts", refused: true },
  { from: "server/src/http/services.ts", to: "../queue/dispatch.ts", refused: false },
  { from: "server/src/http/routes/bad.ts", to: "../../queue/claim.ts", refused: true },
  { from: "server/src/http/routes/good.ts", to: "../../queue/queries.ts", refused: false },
  { from: "server/src/processors/bad.ts", to: "../storage/object-store.ts", refused: true },
  { from: "contract/src/bad.ts", to: "@filemill/server/src/errors.ts", refused: true },
  { from: "cli/src/bad.ts", to: "@filemill/server/src/errors.ts", refused: true },
  { from: "cli/src/good.ts", to: "@filemill/sdk/src/client.ts", refused: false },
  { from: "server/src/worker/bad.ts", to: "@filemill/sdk/src/client.ts", refused: true },
];

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "filemill-arrows-"));
  await cp(join(root, "oxlint.config.ts"), join(copy, "oxlint.config.ts"));
  await cp(join(root, "scripts/arrows.ts"), join(copy, "scripts/arrows.ts"));
  await cp(join(root, "package.json"), join(copy, "package.json"));
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  for (const { from, to } of IMPORTS) {
    await mkdir(dirname(join(copy, from)), { recursive: true });
    await writeFile(join(copy, from), `import type { Thing } from "${to}";\nexport type Same = Thing;\n`);
  }
});
afterAll(() => rm(copy, { recursive: true, force: true }));

test("the linter refuses an import against the arrows, and only those", async () => {
  const refused = await filesRefused();
  expect(refused.toSorted()).toEqual(
    IMPORTS.filter((entry) => entry.refused)
      .map((entry) => entry.from)
      .toSorted(),
  );
});

async function filesRefused(): Promise<string[]> {
  const report = await new Promise<string>((done, failed) => {
    const lint = join(root, "node_modules/.bin/oxlint");
    execFile(process.execPath, [lint, "--format=json", "contract", "server", "cli"], { cwd: copy }, (error, stdout, stderr) => {
      // Exit 1 says that there are findings; anything else, that the linter did not run.
      if (error !== null && error.code !== 1) failed(new Error(stderr, { cause: error }));
      else done(stdout);
    });
  });
  const { diagnostics } = JSON.parse(report) as { diagnostics: { code: string; filename: string }[] };
  return diagnostics.filter((finding) => finding.code.includes("no-restricted-imports")).map((finding) => finding.filename);
}
