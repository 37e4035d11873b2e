import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, type Browser } from "../browser/browser.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";

const PHOTO = fileURLToPath(new URL("../../samples/photos/forest-path-turned.jpg", import.meta.url));

let platform: Platform;
let app: AppProcess;
let browser: Browser;

beforeAll(async () => {
  [platform, browser] = await Promise.all([startPlatform(), openBrowser()]);
  app = await startApp("thumbnails", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await app?.stop();
  await platform?.stop();
}, 60_000);

test("a person chooses photos, sees their thumbnails, and learns why another file gave none", { timeout: 90_000 }, async () => {
  const watched = await browser.open(app.url);
  const { page } = watched;
  expect(await page.title()).toBe("Thumbnails");

  await page.getByLabel("Choose photos").setInputFiles(PHOTO);
  const thumbnail = page.getByRole("img", { name: "Thumbnail of forest-path-turned.jpg" });
  await thumbnail.waitFor();
  const size = await thumbnail.evaluate(async (image) => {
    await image.decode();
    return { width: image.naturalWidth, height: image.naturalHeight };
  });
  // It was taken with the camera turned: on its side it would be wider than high.
  expect(size).toEqual({ width: 313, height: 500 });
  await page.getByText("313 × 500").waitFor();
  await page.reload();
  await page.getByText("313 × 500").waitFor();
  expect(watched.troubles()).toEqual([]);

  const broken = { name: "broken.jpg", mimeType: "image/jpeg", buffer: Buffer.from("no photo") };
  await page.getByLabel("Choose photos").setInputFiles([broken, { ...broken, name: "notes.txt" }]);
  await page
    .getByText(/accepted are image\/jpeg, image\/png/)
    .first()
    .waitFor();
  await page
    .getByText(/Files other than jpg,jpeg and png are not allowed/)
    .first()
    .waitFor();
  expect(await watched.accessibilityFaults()).toEqual([]);
  await watched.screenshot("thumbnails");
  await watched.close();
});

test("the page is as usable on a telephone, in the dark and by keyboard", async () => {
  const watched = await browser.open(app.url, { dark: true, width: 390, height: 700 });
  const { page } = watched;
  const chosen = page.waitForEvent("filechooser");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await (await chosen).setFiles([PHOTO]);
  await page.getByText("313 × 500").waitFor();
  expect(await page.locator("html").evaluate((root) => root.scrollWidth)).toBeLessThanOrEqual(390);
  expect(await watched.accessibilityFaults()).toEqual([]);
  await watched.screenshot("thumbnails-dark");
  expect(watched.troubles()).toEqual([]);
  await watched.close();
});
