import { thumbnails } from "../thumbnails/app.ts";
import { runAsProcess } from "./run-as-process.ts";

await runAsProcess([thumbnails]);
