import { keepCompiled } from "./keep-compiled.ts";

/** `filemill claim --out FILE`. */
keepCompiled();
await import("./start-claim.ts");
