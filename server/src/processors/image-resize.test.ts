import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badInput, runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { bombPng, gradient, halves } from "../../test/processors/images.ts";
import { imageMetadata } from "./image-metadata.ts";
import { imageResize } from "./image-resize.ts";
import { outputSize } from "./image/output-size.ts";

const jpeg = (content: Uint8Array): GivenInput => ({ name: "photo.jpg", mediaType: "image/jpeg", content });
const png = (content: Uint8Array): GivenInput => ({ name: "photo.png", mediaType: "image/png", content });

async function resize(input: GivenInput, options: Record<string, unknown>) {
  await using run = await runProcessor(imageResize, { with: options, inputs: [input] });
  const bytes = await run.only.bytes();
  return { name: run.only.name, mediaType: run.only.mediaType, bytes, header: await sharp(bytes).metadata() };
}

describe("sizes", () => {
  let wide: Buffer;
  beforeAll(async () => {
    wide = await gradient(400, 200).png().toBuffer();
  });

  test.each([
    ["inside keeps the shape", { width: 100, height: 100, fit: "inside" }, 100, 50],
    ["cover crops", { width: 100, height: 100, fit: "cover" }, 100, 100],
    ["contain adds a border", { width: 100, height: 100, fit: "contain" }, 100, 100],
    ["fill distorts", { width: 100, height: 100, fit: "fill" }, 100, 100],
    ["outside covers the box", { width: 100, height: 100, fit: "outside" }, 200, 100],
    ["width alone", { width: 40 }, 40, 20],
    ["height alone", { height: 20 }, 40, 20],
    ["small images stay as they are", { width: 4_000 }, 400, 200],
    ["unless enlargement is wanted", { width: 800, without_enlargement: false }, 800, 400],
  ])("%s", async (_, options, width, height) => {
    expect((await resize(png(wide), options)).header).toMatchObject({ width, height });
    const wanted = imageResize.params.parse(options);
    expect(outputSize({ width: 400, height: 200 }, wanted)).toEqual({ width, height });
  });

  test.each([
    {},
    { fit: "cover" },
    { width: 0 },
    { width: 1.5 },
    { width: 20_000 },
    { width: 10, quality: 101 },
    { width: 10, background: "red; x" },
  ])("refuses the parameters %j", (options) => {
    expect(imageResize.params.safeParse(options).success).toBe(false);
  });
});

describe("formats", () => {
  test("of an animated PNG, which has a type of its own, the first frame is taken", async () => {
    const content = await gradient(40, 20).png().toBuffer();
    const animated = { name: "moving.png", mediaType: "image/apng", content };
    expect(await resize(animated, { width: 10 })).toMatchObject({ mediaType: "image/png", header: { width: 10, height: 5 } });
  });

  test.each([
    ["jpeg", "photo.jpg", "jpeg"],
    ["png", "photo.png", "png"],
    ["webp", "photo.webp", "webp"],
    ["avif", "photo.avif", "heif"],
    ["keep", "photo.png", "png"],
  ])("%s", async (format, name, read) => {
    const made = await resize(png(await gradient(64, 64).png().toBuffer()), { width: 32, format });
    expect(made.name).toBe(name);
    expect(made.mediaType).toBe(`image/${format === "keep" ? "png" : format}`);
    expect(made.header.format).toBe(read);
  });

  test("quality makes a difference", async () => {
    const content = png(await gradient(256, 256).png().toBuffer());
    const [low, high] = [
      await resize(content, { width: 200, format: "jpeg", quality: 10 }),
      await resize(content, { width: 200, format: "jpeg", quality: 95 }),
    ];
    expect(low.bytes.length).toBeLessThan(high.bytes.length);
  });

  test("transparency becomes the background where the format has none", async () => {
    const clear = await sharp({ create: { width: 20, height: 20, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
      .png()
      .toBuffer();
    const { bytes } = await resize(png(clear), { width: 10, format: "jpeg", background: "#00ff00" });
    const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    expect(data[0]).toBeLessThan(20);
    expect(data[1]).toBeGreaterThan(235);
    expect((await resize(png(clear), { width: 10 })).header.hasAlpha).toBe(true);
  });
});

describe("metadata", () => {
  test("orientation is applied, and everything else is gone", async () => {
    // Red above blue as stored; orientation 6 says "turn right", so that red ends up on the right.
    const tagged = await halves(200, 100)
      .withExif({ IFD0: { Artist: "Somebody", Copyright: "<script>alert(1)</script>" }, IFD3: { GPSLatitudeRef: "N" } })
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 95 })
      .toBuffer();
    const { bytes, header } = await resize(jpeg(tagged), { width: 50 });
    expect(header).toMatchObject({ width: 50, height: 100 });
    expect(header.orientation ?? 1).toBe(1);
    expect(header.exif).toBeUndefined();
    expect(header.icc).toBeUndefined();
    expect(bytes.includes("script")).toBe(false);
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const right = (50 * info.width + info.width - 5) * info.channels;
    const left = (50 * info.width + 5) * info.channels;
    expect(data[right]).toBeGreaterThan(200);
    expect(data[left]).toBeLessThan(50);
  });

  test("image.metadata tells size, orientation and EXIF fields", async () => {
    const tagged = await halves(200, 100)
      .withExif({ IFD0: { Artist: "Somebody" } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    await using run = await runProcessor(imageMetadata, { inputs: [jpeg(tagged)] });
    const description = JSON.parse(await run.only.text());
    expect(description).toMatchObject({
      format: "jpeg",
      width: 100,
      height: 200,
      stored_width: 200,
      stored_height: 100,
      orientation: 6,
      has_alpha: false,
      frames: 1,
    });
    expect(description.exif.Image).toMatchObject({ Orientation: 6 });
  });

  test("damaged EXIF is null, the image is still described", async () => {
    const bytes = await halves(20, 10)
      .withExif({ IFD0: { Artist: "Somebody" } })
      .jpeg()
      .toBuffer();
    const at = bytes.indexOf("Exif\0\0");
    bytes.fill(0xff, at + 6, at + 14);
    await using run = await runProcessor(imageMetadata, { inputs: [jpeg(bytes)] });
    expect(JSON.parse(await run.only.text())).toMatchObject({ width: 20, exif: null });
  });
});

describe("hostile images", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "filemill-images-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    [16_000, 16_000],
    [30_000, 30_000],
    [65_000, 1_000],
  ])("a PNG of %i × %i is refused by its header, fast", async (width, height) => {
    const bomb = bombPng(width, height);
    expect(bomb.length).toBeLessThan(1_000_000);
    const started = performance.now();
    const error = await badInput(runProcessor(imageResize, { with: { width: 10 }, inputs: [png(bomb)] }));
    expect(error.code).toBe("limit_exceeded");
    expect(error.message).toMatch(/million pixels; at most 50 million are allowed \(max_pixels\)/);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("image.metadata describes it all the same", async () => {
    await using run = await runProcessor(imageMetadata, { inputs: [png(bombPng(16_000, 16_000))] });
    expect(JSON.parse(await run.only.text())).toMatchObject({ width: 16_000, height: 16_000 });
  });

  test("a thin image asked to be wide is refused before it is made", async () => {
    const thin = await sharp({ create: { width: 1, height: 5_000, channels: 3, background: "#fff" } })
      .png()
      .toBuffer();
    const error = await badInput(runProcessor(imageResize, { with: { width: 1_000, without_enlargement: false }, inputs: [png(thin)] }));
    expect(error.code).toBe("limit_exceeded");
  });

  test.each<[string, () => Promise<GivenInput>, string]>([
    ["a JPEG cut in half", async () => jpeg(await cut(await gradient(300, 300).jpeg().toBuffer())), "corrupt"],
    ["a PNG cut in half", async () => png(await cut(await gradient(300, 300).png().toBuffer())), "corrupt"],
    ["a JPEG of a few bytes", async () => jpeg(Buffer.from([0xff, 0xd8, 0xff, 0xe0])), "corrupt"],
    ["zero bytes", async () => jpeg(Buffer.alloc(0)), "corrupt"],
    [
      "right magic, then garbage",
      async () => png(Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(5_000, 0x41)])),
      "corrupt",
    ],
    [
      "SVG under a PNG's name",
      async () => png(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>')),
      "corrupt",
    ],
    ["a GIF under a PNG's name", async () => png(await gradient(9, 9).gif().toBuffer()), "type_mismatch"],
    ["text", async () => jpeg(Buffer.from("hello")), "corrupt"],
  ])("%s", async (_, input, code) => {
    const error = await badInput(runProcessor(imageResize, { with: { width: 10 }, inputs: [await input()] }));
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(tmpdir());
  });

  test("SVG and PDF are not taken at all", async () => {
    for (const mediaType of ["image/svg+xml", "application/pdf"]) {
      const error = await badInput(
        runProcessor(imageResize, { with: { width: 10 }, inputs: [{ name: "x", mediaType, content: "<svg/>" }] }),
      );
      expect(error.code).toBe("type_mismatch");
    }
  });

  test("a file at a path that was used before is read anew", async () => {
    const path = join(folder, "same");
    await sharp({ create: { width: 20, height: 20, channels: 3, background: "#f00" } })
      .png()
      .toFile(path);
    const red = await resize({ name: "a.png", mediaType: "image/png", path }, { width: 1 });
    await sharp({ create: { width: 20, height: 20, channels: 3, background: "#00f" } })
      .png()
      .toFile(path);
    const blue = await resize({ name: "a.png", mediaType: "image/png", path }, { width: 1 });
    expect([...(await sharp(red.bytes).raw().toBuffer())]).toEqual([255, 0, 0]);
    expect([...(await sharp(blue.bytes).raw().toBuffer())]).toEqual([0, 0, 255]);
  });
});

async function cut(bytes: Buffer): Promise<Buffer> {
  return bytes.subarray(0, Math.floor(bytes.length / 2));
}
