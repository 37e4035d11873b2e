import { defineConfig } from "vitest/config";

/** Suites that need programs from Debian packages (.ci/run installs them); everything else: vitest.config.ts. */
export default defineConfig({
  test: {
    include: ["**/*.services.test.ts"],
    exclude: ["**/node_modules/**"],
    globalSetup: ["scripts/require-programs.ts", "server/test/global-setup.ts", "server/test/stores/shared-services.ts"],
    reporters: ["default", "./scripts/closing-line.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
