import { enableCompileCache } from "node:module";
import { existsSync } from "node:fs";
import { compileCacheFolder, dataFolder } from "@filemill/contract/data-folder.ts";

/**
 * `npm start`. Node keeps what it has compiled for the next start, which must be said before anything else is loaded:
 * that halves the start. The first start makes the data folder later, with the modes that it needs, and keeps nothing.
 */
const folder = dataFolder(process.env);
if (existsSync(folder)) enableCompileCache(compileCacheFolder(folder));
await import("./start-all.ts");
