/** f10-cut-after-commit.test.ts with 500 tries of each kind. */
process.env["CHAOS_F10_TRIES"] ??= "500";
await import("./f10-cut-after-commit.test.ts");
