import { filings } from "../filings/app.ts";
import { runAsProcess } from "./run-as-process.ts";

await runAsProcess([filings]);
