import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, type Browser } from "../browser/browser.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { averagesClient } from "./averages-client.ts";

let platform: Platform;
let app: AppProcess;
let browser: Browser;

beforeAll(async () => {
  [platform, browser] = await Promise.all([startPlatform(), openBrowser()]);
  app = await startApp("averages", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await platform?.stop();
}, 60_000);

test("a person starts a job, sees it end, checks its result, and deletes it", { timeout: 120_000 }, async () => {
  const watched = await browser.open(app.url);
  const { page } = watched;
  expect(await page.title()).toBe("Averages");
  await page.getByText("There are none yet.").waitFor();
  await expect.poll(() => page.getByLabel("Workers", { exact: true }).inputValue()).toBe("2");

  await page.getByLabel("Workers", { exact: true }).fill("3");
  await page.getByLabel("Files", { exact: true }).fill("30");
  await page.getByLabel("Numbers in each", { exact: true }).fill("12");
  await page.getByRole("button", { name: "Start" }).click();
  const card = page.getByRole("listitem").filter({ hasText: "30 files × 12 numbers" });
  await card.getByText(/^Completed · 9 tasks · \d+\.\d\d s$/).waitFor({ timeout: 60_000 });
  expect(await card.getByRole("progressbar").getAttribute("value")).toBe("100");
  expect(await card.locator(".values").textContent()).toMatch(/^(\d+(\.\d+)? {2}){8}…$/);
  await card.getByRole("button", { name: "Check it in one pass" }).click();
  await card.getByText("The same as").waitFor();

  const [job] = (await averagesClient(app.url).ask("GET", "/jobs")).body as { outputFilePath: string }[];
  expect(await card.getByRole("link", { name: "Open the result" }).getAttribute("href")).toBe(job?.outputFilePath);
  expect(await watched.accessibilityFaults()).toEqual([]);
  await watched.screenshot("averages");

  await card.getByRole("button", { name: "Delete" }).click();
  await page.getByText("30 files × 12 numbers: deleted, with all of its files.").waitFor();
  await card.waitFor({ state: "detached" });
  expect((await averagesClient(app.url).ask("GET", "/jobs")).body).toEqual([]);
  expect(watched.troubles()).toEqual([]);

  await page.getByLabel("Files", { exact: true }).fill("200000");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("noOfFiles must be a whole number from 1 to 100000").waitFor();
  await watched.close();
});

test("the page is as usable on a telephone, in the dark and by keyboard", { timeout: 120_000 }, async () => {
  const client = averagesClient(app.url);
  await client.order(12, 5);
  const { _id: long } = await client.order(2_000, 200);
  const watched = await browser.open(app.url, { dark: true, width: 390, height: 700 });
  const { page } = watched;
  await page.getByText("2,000 files × 200 numbers").waitFor();
  const going = page.getByRole("listitem").filter({ hasText: "2,000 files" });
  expect(await going.getByRole("link", { name: "Open the result" }).isVisible()).toBe(false);
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.id")).toBe("workers");
  await page.getByLabel("Files", { exact: true }).fill("10");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByText("10 files × 1,000 numbers").waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(390);
  expect(await watched.accessibilityFaults()).toEqual([]);
  await watched.screenshot("averages-dark");
  expect(watched.troubles()).toEqual([]);
  await watched.close();
  await client.ask("DELETE", `/jobs/${long}`);
});
