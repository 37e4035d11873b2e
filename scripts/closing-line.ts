import type { Reporter, TestModule } from "vitest/node";

/** Reporter of both Vitest configurations: ends the output with `N passed, N failed`, which .ci/run adds up. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    for (const module of modules) {
      const tests = [...module.children.allTests()].map((test) => test.result().state);
      const failedTests = tests.filter((state) => state !== "passed").length;
      passed += tests.length - failedTests;
      // A file that could not be loaded has no tests to fail; a skipped test counts as failed, because it proves nothing.
      failed += failedTests === 0 && module.state() === "failed" ? 1 : failedTests;
    }
    console.log(`${passed} passed, ${failed} failed`);
  }
}
