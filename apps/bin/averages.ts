import { averages } from "../averages/app.ts";
import { runAsProcess } from "./run-as-process.ts";

await runAsProcess([averages]);
