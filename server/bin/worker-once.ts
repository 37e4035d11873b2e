import { keepCompiled } from "./keep-compiled.ts";

/** `filemill worker --once [JOB_ID]`. */
keepCompiled();
await import("./start-once.ts");
