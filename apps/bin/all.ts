import { averages } from "../averages/app.ts";
import { filings } from "../filings/app.ts";
import { thumbnails } from "../thumbnails/app.ts";
import { runAsProcess } from "./run-as-process.ts";

/** `npm run apps`: every app, on one platform. */
await runAsProcess([averages, filings, thumbnails]);
