/** tasks.db.test.ts with every type of step at every failpoint. */
process.env["FULL_MATRIX"] = "1";
await import("./tasks.db.test.ts");
