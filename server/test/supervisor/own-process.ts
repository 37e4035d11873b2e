import { answerMeasure, runProcess, tellReady } from "../../bin/run-process.ts";

/** A process of ours that does nothing; asked for measurements, it says how many pings have come. */
let pings = 0;
process.on("message", (message) => {
  if (typeof message === "object" && message !== null && "type" in message && message.type === "ping") pings += 1;
});
await runProcess(
  async () => {
    answerMeasure(async () => `pings ${pings}\n`);
    tellReady();
  },
  { stopWithinMs: 1_000 },
);
