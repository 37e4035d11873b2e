import { defineConfig } from "vitest/config";

/** What takes longer than .ci/run may: faults and load over minutes. Needs what vitest.services.config.ts needs. */
export default defineConfig({
  test: {
    include: ["**/*.nightly.test.ts"],
    exclude: ["**/node_modules/**"],
    globalSetup: ["scripts/require-programs.ts", "server/test/global-setup.ts", "server/test/stores/shared-services.ts"],
    reporters: ["default", "./scripts/closing-line.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
