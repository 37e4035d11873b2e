/** f22-drains.test.ts with 20 drains. */
process.env["CHAOS_F22_DRAINS"] ??= "20";
await import("./f22-drains.test.ts");
