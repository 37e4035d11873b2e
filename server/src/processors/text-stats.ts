import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { declareProcessor } from "./processor.ts";
import { detectEncoding, type TextEncoding } from "./text/detect-encoding.ts";
import { createTextCounter } from "./text/text-counter.ts";

const READ_BYTES = 256 * 1024;
/** Language is judged by so many characters from the start. */
const LANGUAGE_CHARACTERS = 4_000;

const params = z.strictObject({
  language: z.boolean().default(true).meta({ title: "Detect language", description: "ISO 639-1 code, from the start of the text." }),
});

export const textStats = declareProcessor({
  name: "text.stats",
  version: "1",
  title: "Count text",
  description: "Counts bytes, lines, words and characters of a text, and tells its encoding, its longest line and its language.",
  kind: "map",
  emits: "one",
  accepts: ["text/*", "application/json", "application/x-ndjson", "application/xml", "application/yaml"],
  produces: ["application/json"],
  params,
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 600_000, outputBytes: 2 ** 20, outputFiles: 1 },
  example: {},
  codec: false,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output, progress }) {
    for (const input of inputs) {
      const counter = createTextCounter();
      let encoding: TextEncoding | undefined;
      let decoder: InstanceType<typeof TextDecoder> | undefined;
      let invalid = false;
      let bytes = 0;
      let start = "";
      const take = (text: string): void => {
        counter.add(text);
        if (start.length < LANGUAGE_CHARACTERS) start += text.slice(0, LANGUAGE_CHARACTERS - start.length);
        invalid ||= text.includes("\ufffd");
      };
      const content: AsyncIterable<Buffer> = createReadStream(input.path, { highWaterMark: READ_BYTES, signal });
      for await (const chunk of content) {
        if (encoding === undefined) {
          encoding = detectEncoding(chunk);
          decoder = new TextDecoder(encoding.label);
        }
        bytes += chunk.length;
        take(decoder?.decode(chunk, { stream: true }) ?? "");
        progress(bytes / Math.max(1, input.sizeBytes));
      }
      take(decoder?.decode() ?? "");
      const counts = counter.end();
      const stats = {
        name: input.name,
        bytes,
        lines: counts.lines,
        words: counts.words,
        characters: counts.characters,
        longest_line: { number: counts.longestLineNumber, characters: counts.longestLine },
        // As many characters as bytes: only ASCII does that in UTF-8.
        encoding: encoding === undefined || (encoding.name === "utf-8" && counts.characters === bytes) ? "ascii" : encoding.name,
        byte_order_mark: encoding?.mark ?? false,
        // A replacement character of the text's own counts as damage too; it says that somebody else lost something there.
        valid: !invalid,
        language: params.language && !invalid ? await detectLanguage(start) : null,
      };
      await writeFile(
        output({ name: derivedName(input.name, ".stats.json"), mediaType: "application/json" }),
        `${JSON.stringify(stats, undefined, 2)}\n`,
      );
    }
  },
});

async function detectLanguage(text: string): Promise<string | null> {
  // The light model: 24 languages.
  const { detect } = await import("tinyld/light");
  return detect(text) || null;
}
