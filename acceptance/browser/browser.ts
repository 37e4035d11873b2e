import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium, type Page } from "playwright-core";
import { unpackChromium } from "./unpack-chromium.ts";

/** A real browser. Close it when the test file has ended. */
export interface Browser {
  /** A page in a profile of its own. */
  open(url: string, options?: PageOptions): Promise<WatchedPage>;
  close(): Promise<void>;
}

export interface PageOptions {
  readonly dark?: boolean;
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
}

export interface WatchedPage {
  readonly page: Page;
  /** What went wrong in the page so far: console errors, exceptions, requests without an answer or with 4xx, 5xx. */
  troubles(): readonly string[];
  /** Violations of WCAG 2 and good practice that axe calls serious or critical, each with where. */
  accessibilityFaults(): Promise<readonly string[]>;
  /** The whole page as a PNG; the path is printed. In BROWSER_SCREENSHOTS, which is kept, else in a temporary folder. */
  screenshot(name: string): Promise<string>;
  close(): Promise<void>;
}

const PATIENCE_MS = 30_000;

export async function openBrowser(): Promise<Browser> {
  const { program, fontsFolder, librariesFolder } = await unpackChromium();
  const profile = await mkdtemp(join(tmpdir(), "filemill-browser-"));
  const fonts = join(profile, "fonts.conf");
  await writeFile(fonts, fontsConfig({ fontsFolder, cacheFolder: profile }));
  const browser = await chromium.launch({
    executablePath: program,
    // Tests open pages of their own only, and a bare machine, where root runs them, has no sandbox for a browser.
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    env: { ...process.env, FONTCONFIG_FILE: fonts, LD_LIBRARY_PATH: librariesFolder, HOME: profile },
    timeout: PATIENCE_MS,
  });
  const screenshots = process.env["BROWSER_SCREENSHOTS"] ?? profile;

  return {
    async open(url, { dark = false, width = 1100, height = 800 } = {}) {
      const context = await browser.newContext({ colorScheme: dark ? "dark" : "light", viewport: { width, height } });
      context.setDefaultTimeout(PATIENCE_MS);
      const page = await context.newPage();
      const troubles: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error") troubles.push(`console: ${message.text()}`);
      });
      page.on("pageerror", (error) => troubles.push(`exception: ${error.stack ?? error.message}`));
      page.on("requestfailed", (request) => troubles.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`));
      page.on("response", (response) => {
        if (response.status() >= 400) troubles.push(`${response.request().method()} ${response.url()}: ${response.status()}`);
      });
      await page.goto(url);
      return {
        page,
        troubles: () => troubles,
        async accessibilityFaults() {
          const { violations } = await new AxeBuilder({ page }).analyze();
          return violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
        },
        async screenshot(name) {
          const path = join(screenshots, `${name}.png`);
          await page.screenshot({ path, fullPage: true });
          console.log(`screenshot: ${path}`);
          return path;
        },
        close: () => context.close(),
      };
    },
    async close() {
      await browser.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Without a font for `system-ui` this browser ends itself ("SkFontMgr_FontConfigInterface … Not implemented"). */
function fontsConfig({ fontsFolder, cacheFolder }: { fontsFolder: string; cacheFolder: string }): string {
  const families = ["system-ui", "sans-serif", "serif", "monospace"];
  const aliases = families.map((family) => `<alias><family>${family}</family><prefer><family>Open Sans</family></prefer></alias>`);
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${fontsFolder}</dir><cachedir>${cacheFolder}</cachedir>${aliases.join("")}</fontconfig>
`;
}
