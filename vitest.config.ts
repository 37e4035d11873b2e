import { defineConfig } from "vitest/config";

/** Everything that npm alone can provide. Suites that need Debian packages: vitest.services.config.ts. */
export default defineConfig({
  test: {
    include: ["{contract,server,sdk,cli,apps,scripts,bench}/**/*.test.ts", "acceptance/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.services.test.ts", "**/*.nightly.test.ts"],
    globalSetup: ["server/test/global-setup.ts"],
    reporters: ["default", "./scripts/closing-line.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Processes are killed and timed here, on machines that others may share: one more try, which the report shows.
    retry: process.env["CI"] === undefined ? 0 : 1,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
