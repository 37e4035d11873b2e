import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { until } from "../chaos/conditions.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { animatedPng, halfTransparentPng, hugePng, isAbout, measure, plainJpeg, turnedJpeg } from "./images.ts";
import { isRunning, processesBelow } from "./processes.ts";
import { thumbnailClient, type Stage, type ThumbnailClient } from "./thumbnail-client.ts";

/** The app as `npm run app:thumbnails` starts it, with a platform of its own, over its port only. */
let folder: string;
let app: AppProcess;
let client: ThumbnailClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-thumbnails-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder.
  await chmod(folder, 0o711);
  app = await startApp("thumbnails", { FILEMILL_DATA_DIR: join(folder, "data") });
  client = thumbnailClient(app.url);
}, 180_000);

afterAll(async () => {
  try {
    // Not there where it could not be started.
    if (app === undefined) return;
    const below = await processesBelow(app.pid);
    expect(await app.stop(), app.log()).toBe(0);
    for (const { pid, command } of below) expect([command, await isRunning(pid)]).toEqual([command, false]);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}, 60_000);

const GREEN = [30, 150, 60] as const;
const RED = [200, 30, 30] as const;
const BLUE = [20, 40, 210] as const;
const WHITE = [255, 255, 255] as const;

async function thumbnailOf(name: string, content: Uint8Array) {
  const id = await client.sent(name, content);
  expect((await client.followed(id)).at(-1)).toBe("COMPLETION STAGE");
  const response = await client.thumbnail(id);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
  return measure(await response.bytes());
}

describe("the four classic cases", () => {
  test("an image is taken and becomes a thumbnail, and its stages never go back", async () => {
    const { status, body } = await client.send("photo.jpg", await plainJpeg(GREEN, { width: 1_200, height: 900 }));
    expect(status).toBe(200);
    expect(body).toEqual({ result: "File Uploaded successfully !!", file_id: expect.stringMatching(/^\S+$/) });
    const { file_id: id } = body as { file_id: string };
    expect((await client.followed(id)).at(-1)).toBe("COMPLETION STAGE");
    expect(await client.status(id)).toEqual({ status: 200, body: { result: "COMPLETION STAGE", file_id: id } });
    const { format, width, height, colourAt } = await measure(await (await client.thumbnail(id)).bytes());
    expect({ format, width, height }).toEqual({ format: "jpeg", width: 500, height: 375 });
    expect(isAbout(colourAt(0.5, 0.5), GREEN)).toBe(true);
  });

  test("an unknown id is told as such", async () => {
    expect(await client.status("1234")).toEqual({ status: 400, body: { result: "ID NOT FOUND !!", file_id: "1234" } });
    expect((await client.thumbnail("1234")).status).toBe(400);
  });

  const FORMS: [string, FormData | Blob | string | undefined, number, string][] = [
    ["no field `file`", form("picture", "a.jpg"), 400, "file key not found in request"],
    ["text in the field `file`", textForm(), 400, "file key not found in request"],
    ["no form at all", "file=a", 400, "file key not found in request"],
    ["JSON", new Blob(["{}"], { type: "application/json" }), 400, "file key not found in request"],
    ["nothing", undefined, 400, "file key not found in request"],
    ["no name", form("file", ""), 400, "Empty file received"],
    ["a text", form("file", "a.txt"), 415, "Files other than jpg,jpeg and png are not allowed"],
    ["no ending", form("file", "png"), 415, "Files other than jpg,jpeg and png are not allowed"],
    ["a double ending", form("file", "a.png.exe"), 415, "Files other than jpg,jpeg and png are not allowed"],
    ["too long a name", form("file", `${"n".repeat(300)}.png`), 400, "The file's name is longer than 255 bytes of UTF-8; choose another."],
    ["a gif", form("file", "a.gif"), 415, "Files other than jpg,jpeg and png are not allowed"],
  ];
  test.each(FORMS)("%s: refused", async (_what, body, status, result) => {
    const response = await fetch(`${app.url}/uploadFile`, { method: "POST", ...(body !== undefined && { body }) });
    expect([response.status, await response.json()]).toEqual([status, { result }]);
  });

  test("the heart beats", async () => {
    const response = await fetch(`${app.url}/heartbeat`);
    expect([response.status, await response.json()]).toEqual([200, { result: "beating" }]);
  });
});

describe("what the original got wrong", () => {
  test.each([
    "*",
    "%2A",
    "%3F",
    "job_*",
    "..%2f..%2fjobs",
    "%2e%2e%2fjobs",
    "[a-z]*",
    "job_00000000000000000000000000",
    "%00",
    "x".repeat(500),
  ])("patterns and paths are no ids: %s", async (id) => {
    const answer = { status: 400, body: { result: "ID NOT FOUND !!", file_id: decodeURIComponent(id) } };
    expect(await client.status(id)).toEqual(answer);
  });

  test("transparency becomes white", async () => {
    const { format, hasAlpha, colourAt } = await thumbnailOf("half.png", await halfTransparentPng(BLUE, { width: 900, height: 300 }));
    expect([format, hasAlpha]).toEqual(["jpeg", false]);
    expect([isAbout(colourAt(0.2, 0.5), BLUE), isAbout(colourAt(0.8, 0.5), WHITE)]).toEqual([true, true]);
  });

  test("a photo taken with the camera turned stands upright", async () => {
    const turned = await turnedJpeg({ top: RED, bottom: BLUE }, { width: 600, height: 1_000 });
    expect(await measure(turned)).toMatchObject({ width: 1_000, height: 600, orientation: 6 });
    const { width, height, orientation, colourAt } = await thumbnailOf("turned.jpeg", turned);
    expect([width, height, orientation]).toEqual([300, 500, undefined]);
    expect([isAbout(colourAt(0.5, 0.1), RED), isAbout(colourAt(0.5, 0.9), BLUE)]).toEqual([true, true]);
  });

  test("what is small stays as small", async () => {
    const { width, height } = await thumbnailOf("SMALL.JPG", await plainJpeg(RED, { width: 120, height: 80 }));
    expect([width, height]).toEqual([120, 80]);
  });

  test("ten files of one name at once are ten files", async () => {
    const colours = Array.from({ length: 10 }, (_none, index) => [index * 25, 255 - index * 25, 128] as const);
    const images = await Promise.all(colours.map((colour) => plainJpeg(colour)));
    const ids = await Promise.all(images.map((image) => client.sent("same.jpg", image)));
    expect(new Set(ids).size).toBe(10);
    await Promise.all(ids.map((id) => client.followed(id)));
    for (const [index, id] of ids.entries()) {
      const { colourAt } = await measure(await (await client.thumbnail(id)).bytes());
      expect([index, isAbout(colourAt(0.5, 0.5), colours[index] ?? WHITE)]).toEqual([index, true]);
    }
  });

  test("who came first is served first, and waits in the staging stage meanwhile", async () => {
    const image = await plainJpeg(GREEN, { width: 5_000, height: 4_000 });
    const ids: string[] = [];
    for (let index = 0; index < 10; index++) ids.push(await client.sent(`${index}.jpg`, image));
    let waited = 0;
    for (let done = false; !done;) {
      // From the last to the first: an earlier one that still waits when a later one had begun before was passed over.
      const stages: Stage[] = [];
      for (const id of ids.toReversed()) stages.unshift(await client.stage(id));
      const firstWaiting = stages.indexOf("STAGING STAGE");
      if (firstWaiting >= 0) waited++;
      expect(
        stages.slice(firstWaiting < 0 ? stages.length : firstWaiting).every((stage) => stage === "STAGING STAGE"),
        stages.join(),
      ).toBe(true);
      done = stages.every((stage) => stage === "COMPLETION STAGE");
    }
    expect(waited).toBeGreaterThan(0);
  });

  test("who has nothing to do costs next to nothing", async () => {
    const cpu = async () => (await processesBelow(app.pid)).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
    const before = await cpu();
    const started = performance.now();
    // There is nothing to wait for: what is measured is the time in which nothing happens.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const ofACore = ((await cpu()) - before) / ((performance.now() - started) / 1_000);
    expect(ofACore).toBeLessThan(0.25);
  });
});

describe("bad images end alone, with a reason", () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>';
  const GIF = "R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";
  test.concurrent.each([
    ["nothing at all", "empty.jpg", async () => Buffer.alloc(0)],
    ["a text", "text.png", async () => Buffer.from("no image\n".repeat(100))],
    ["HTML", "page.png", async () => Buffer.from("<!doctype html><html><script>alert(1)</script></html>")],
    ["SVG", "drawing.png", async () => Buffer.from(SVG)],
    ["a GIF", "moving.png", async () => Buffer.from(GIF, "base64")],
    [
      "the first bytes of a JPEG, then noise",
      "noise.jpg",
      async () => Buffer.concat([Buffer.from("ffd8ffe000104a46494600", "hex"), Buffer.alloc(5_000, 7)]),
    ],
    ["half a JPEG", "half.jpg", async () => cutInHalf(await plainJpeg(GREEN, { width: 2_000, height: 2_000 }))],
    ["half a PNG", "half.png", async () => cutInHalf(await halfTransparentPng(GREEN, { width: 600, height: 600 }))],
    ["a PNG of 16,000 × 16,000 in 31 KB", "bomb.png", async () => hugePng({ width: 16_000, height: 16_000 })],
  ])("%s", async (_what, name, make) => {
    const id = await client.sent(name, await make());
    expect((await client.followed(id)).at(-1)).toBe("FAILED STAGE");
    const response = await client.thumbnail(id);
    expect([response.status, await response.json()]).toEqual([
      404,
      { result: "FAILED STAGE", file_id: id, reason: expect.stringContaining(name) },
    ]);
  });

  test("an animated PNG is none of them", async () => {
    expect(await thumbnailOf("moving.png", await animatedPng(RED, { width: 900, height: 600 }))).toMatchObject({ width: 500, height: 333 });
  });

  test("the next image after them is done as ever", async () => {
    expect(await thumbnailOf("fine.jpg", await plainJpeg(RED))).toMatchObject({ width: 500, height: 375 });
  });

  test("a right image with another image's ending is taken for what it is", async () => {
    expect(await thumbnailOf("photo.png", await plainJpeg(RED))).toMatchObject({ format: "jpeg", width: 500, height: 375 });
  });
});

describe("uploads that go wrong on their way", () => {
  test("a platform that is away: the image can't be queued, and clients are told so", async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const alone = await startApp("thumbnails", { FILEMILL_URL: nobody, FILEMILL_KEY: "fml_test" });
    onTestFinished(() => void alone.stop());
    const { send, status } = thumbnailClient(alone.url);
    expect(await send("photo.jpg", await plainJpeg(RED))).toEqual({ status: 500, body: { result: "Couldn't insert into Queue" } });
    expect((await fetch(`${alone.url}/heartbeat`)).status).toBe(200);
    expect((await status("job_00000000000000000000000000")).status).toBe(503);
    expect(await alone.stop()).toBe(0);
  });

  test("a form that breaks off after the image is refused, though the image was whole", async () => {
    const image = await plainJpeg(RED);
    const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n';
    const body = Buffer.concat([Buffer.from(head), image, Buffer.from("\r\n--x\r\nContent-Dispo")]);
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    const response = await fetch(`${app.url}/uploadFile`, { method: "POST", headers, body });
    expect([response.status, await response.json()]).toEqual([400, { result: "The multipart body can't be read" }]);
  });

  test("while the platform stands still, no more of an image is taken than lies in connections", { timeout: 90_000 }, async () => {
    const api = (await processesBelow(app.pid)).find(({ command }) => command.includes("bin/api.ts"));
    if (api === undefined) throw new Error("The platform has no API process.");
    const large = countedForm("large.jpg", 90 * 2 ** 20);
    process.kill(api.pid, "SIGSTOP");
    const answer = fetch(`${app.url}/uploadFile`, { method: "POST", ...large.request });
    try {
      let [before, since] = [0, performance.now()];
      await until("nothing is taken any more", 30_000, () => {
        if (large.taken() !== before) [before, since] = [large.taken(), performance.now()];
        return before > 0 && performance.now() - since > 1_000;
      });
      expect(large.taken()).toBeLessThan(24 * 2 ** 20);
    } finally {
      process.kill(api.pid, "SIGCONT");
    }
    const response = await answer;
    expect([response.status, large.taken()]).toEqual([200, 90 * 2 ** 20]);
  });

  test("an image that is too large is refused", async () => {
    const response = await fetch(`${app.url}/uploadFile`, { method: "POST", ...countedForm("larger.jpg", 101 * 2 ** 20).request });
    expect([response.status, await response.json()]).toEqual([413, { result: "Images of more than 100 MiB are not taken" }]);
  });
});

/** A form with one file of zeros, made as it is taken. */
function countedForm(name: string, sizeBytes: number) {
  const zeros = Buffer.alloc(64 * 2 ** 10);
  let taken = 0;
  async function* parts() {
    yield Buffer.from(`--x\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`);
    for (; taken < sizeBytes; taken += zeros.length) yield zeros;
    yield Buffer.from("\r\n--x--\r\n");
  }
  const headers = { "content-type": "multipart/form-data; boundary=x" };
  return { request: { headers, body: ReadableStream.from(parts()), duplex: "half" as const }, taken: () => taken };
}

function form(field: string, name: string): FormData {
  const body = new FormData();
  body.append(field, new Blob(["x"]), name);
  return body;
}

function textForm(): FormData {
  const body = new FormData();
  body.append("file", "x");
  return body;
}

function cutInHalf(content: Buffer): Buffer {
  return content.subarray(0, content.length / 2);
}
