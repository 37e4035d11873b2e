import { MediaTypePattern } from "@filemill/contract/pipeline.ts";
import { parseDuration, parseSize } from "@filemill/contract/parse-units.ts";
import { Duration, Size } from "@filemill/contract/units.ts";
import { z } from "zod";
import { declareProcessor } from "./processor.ts";

const MAX_SIZE = "16GiB";
const MAX_TIMEOUT = "1h";

const params = z.strictObject({
  max_size: Size.refine((text) => parseSize(text) <= parseSize(MAX_SIZE), `must be at most ${MAX_SIZE}`)
    .default("256MiB")
    .meta({ title: "Largest size", description: "Of one answer; counted as it comes, whatever the server announces." }),
  timeout: Duration.refine((text) => parseDuration(text) <= parseDuration(MAX_TIMEOUT), `must be at most ${MAX_TIMEOUT}`)
    .default("60s")
    .meta({ title: "Time for a try", description: "From the request to the last byte; a server that says nothing is given up sooner." }),
  tries: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .meta({ title: "Tries", description: "Requests, with pauses between them, before one of the item's attempts is used up." }),
  accept: z
    .array(MediaTypePattern)
    .min(1)
    .max(50)
    .default(["*/*"])
    .meta({ title: "Accepted types", description: "Media types of the content that came; the server's word does not count." }),
});

export type HttpFetchParams = z.infer<typeof params>;

/** How a worker does it: worker/fetch-inputs.ts. */
export const httpFetch = declareProcessor({
  name: "http.fetch",
  version: "1",
  title: "Fetch from the web",
  description:
    'Fetches what a small JSON document names, {"url": "https://…"} with name, headers, size and sha256 if wanted, or what a text with one URL names. Private networks can only be reached where the operator allows it. What was fetched goes to the next steps of the same task.',
  kind: "map",
  emits: "one",
  accepts: ["application/json", "application/x-ndjson", "text/uri-list", "text/plain"],
  produces: ["*/*"],
  params,
  limits: { memoryBytes: 64 * 2 ** 20, wallMs: 900_000, outputBytes: parseSize(MAX_SIZE), outputFiles: 1 },
  example: { max_size: "20MiB", accept: ["application/pdf"] },
  codec: false,
  doneBy: "worker",
  run: () => Promise.reject(new Error("http.fetch is done by the worker, never by a step host")),
});
