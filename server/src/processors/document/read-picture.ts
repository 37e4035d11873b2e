import { existsSync } from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Worker } from "tesseract.js";
import { BadInput } from "../processor.ts";

export interface ReadPicture {
  readonly text: string;
  /** 0–100, as Tesseract judges itself. */
  readonly confidence: number;
}

/** An engine takes a second to start and 150 MB; it stays for the next picture of this host, and goes when none comes. */
const IDLE_MS = 20_000;
const MAX_REASON = 200;

interface Engine {
  readonly languages: string;
  readonly worker: Promise<Worker>;
  idle: NodeJS.Timeout | undefined;
}

let engine: Engine | undefined;

/**
 * Reads the text of a picture (PNG) with Tesseract, in WebAssembly on a thread of its own. Rejects the signal's reason, and
 * BadInput `type_mismatch` where a language is not installed.
 */
export async function readPicture(
  png: Buffer,
  options: { readonly languages: readonly string[]; readonly dpi: number; readonly signal: AbortSignal },
): Promise<ReadPicture> {
  options.signal.throwIfAborted();
  const current = await take(options.languages);
  const stopped = Promise.withResolvers<never>();
  // The thread knows nothing of signals; what it is in the middle of ends with it.
  const stop = (): void => stopped.reject(options.signal.reason);
  options.signal.addEventListener("abort", stop);
  try {
    const { data } = await Promise.race([recognise(current, png, options.dpi), stopped.promise]);
    return { text: data.text, confidence: data.confidence };
  } catch (error) {
    await closeReader();
    throw error;
  } finally {
    options.signal.removeEventListener("abort", stop);
    current.idle = setTimeout(() => void closeReader(), IDLE_MS).unref();
  }
}

/** Ends the engine, if there is one. */
export async function closeReader(): Promise<void> {
  const ending = engine;
  engine = undefined;
  clearTimeout(ending?.idle);
  await ending?.worker.then((worker) => worker.terminate()).catch(() => undefined);
}

async function recognise({ worker: starting }: Engine, png: Buffer, dpi: number) {
  const worker = await starting;
  const { PSM } = await loadTesseract();
  // AUTO finds columns and reads what stands in boxes, which tesseract.js's own choice, one block, passes over.
  await worker.setParameters({ tessedit_pageseg_mode: PSM.AUTO, user_defined_dpi: String(dpi) });
  return await worker.recognize(png, {}, { text: true });
}

async function take(languages: readonly string[]): Promise<Engine> {
  const wanted = languages.join("+");
  if (engine?.languages !== wanted) await closeReader();
  engine ??= { languages: wanted, worker: startWorker(languages), idle: undefined };
  clearTimeout(engine.idle);
  return engine;
}

async function startWorker(languages: readonly string[]): Promise<Worker> {
  const folder = await mkdtemp(join(tmpdir(), "ocr-"));
  try {
    // It looks for all languages in one folder, and npm puts each into a package of its own.
    for (const code of languages) await symlink(trainedDataPath(code), join(folder, `${code}.traineddata.gz`));
    const { createWorker, OEM } = await loadTesseract();
    const failed = Promise.withResolvers<never>();
    const started = createWorker([...languages], OEM.LSTM_ONLY, {
      langPath: folder,
      // It must leave no data where it runs; with langPath it looks for none on the web.
      cacheMethod: "none",
      // Without it, failures are thrown where nobody catches them; and of one in the middle of its start nothing else tells.
      errorHandler: (reason: unknown) => failed.reject(new Error(`the OCR engine failed: ${String(reason).slice(0, MAX_REASON)}`)),
    });
    failed.promise.catch(() => undefined);
    return await Promise.race([started, failed.promise]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** CommonJS, whose named exports Node does not all find. */
async function loadTesseract() {
  const { default: tesseract } = await import("tesseract.js");
  return tesseract;
}

/** In a package @tesseract.js-data/<language>, installed beside the server. */
function trainedDataPath(code: string): string {
  const require = createRequire(import.meta.url);
  try {
    const home = dirname(require.resolve(`@tesseract.js-data/${code}/package.json`));
    const found = ["4.0.0_best_int", "4.0.0"].map((name) => join(home, name, `${code}.traineddata.gz`)).find((path) => existsSync(path));
    if (found !== undefined) return found;
  } catch {
    // Told below.
  }
  throw new BadInput(
    "type_mismatch",
    `The language "${code}" is not installed on this worker. Its operator can add the package @tesseract.js-data/${code}.`,
  );
}
