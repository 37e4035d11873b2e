import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";

type Colour = readonly [red: number, green: number, blue: number];

interface Size {
  readonly width: number;
  readonly height: number;
}

/** One colour all over. */
export function plainJpeg(colour: Colour, { width, height }: Size = { width: 800, height: 600 }): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: rgb(colour) } })
    .jpeg()
    .toBuffer();
}

/** Its right half is transparent. */
export async function halfTransparentPng(colour: Colour, { width, height }: Size): Promise<Buffer> {
  const left = await sharp({ create: { width: width / 2, height, channels: 4, background: rgb(colour) } })
    .png()
    .toBuffer();
  const nothing = { ...rgb([0, 0, 0]), alpha: 0 };
  return sharp({ create: { width, height, channels: 4, background: nothing } })
    .composite([{ input: left, left: 0, top: 0 }])
    .png()
    .toBuffer();
}

/** Taken with the camera turned (EXIF orientation 6): stored on its side, `top` above `bottom` when it is looked at. */
export async function turnedJpeg({ top, bottom }: { top: Colour; bottom: Colour }, upright: Size): Promise<Buffer> {
  const half = { width: upright.height / 2, height: upright.width };
  const right = await sharp({ create: { ...half, channels: 3, background: rgb(bottom) } })
    .png()
    .toBuffer();
  return sharp({ create: { width: upright.height, height: upright.width, channels: 3, background: rgb(top) } })
    .composite([{ input: right, left: half.width, top: 0 }])
    .withExif({ IFD0: { Orientation: "6" } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
}

/** Has a media type of its own; who does not know about animations sees one picture. */
export async function animatedPng(colour: Colour, { width, height }: Size): Promise<Buffer> {
  const still = await sharp({ create: { width, height, channels: 3, background: rgb(colour) } })
    .png()
    .toBuffer();
  const header = 8 + 25;
  return Buffer.concat([still.subarray(0, header), chunk("acTL", Buffer.from([0, 0, 0, 1, 0, 0, 0, 0])), still.subarray(header)]);
}

/** A valid PNG of black pixels, a bit each, so that it is tiny whatever its size. */
export function hugePng({ width, height }: Size): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const row = 1 + Math.ceil(width / 8);
  const chunks = [
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc(row * height), { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), ...chunks]);
}

export interface Measured extends Size {
  readonly format: string;
  readonly hasAlpha: boolean;
  /** Of EXIF; undefined where there is none. */
  readonly orientation: number | undefined;
  /** At a place given in fractions of width and height. */
  colourAt(x: number, y: number): Colour;
}

/** An image as it is stored: no orientation is applied. */
export async function measure(image: Uint8Array): Promise<Measured> {
  const { format, hasAlpha, orientation } = await sharp(image).metadata();
  const { data, info } = await sharp(image).removeAlpha().toColourspace("srgb").raw().toBuffer({ resolveWithObject: true });
  return {
    format,
    hasAlpha,
    orientation,
    width: info.width,
    height: info.height,
    colourAt(x, y) {
      const at = (Math.floor(y * (info.height - 1)) * info.width + Math.floor(x * (info.width - 1))) * info.channels;
      return [data[at] ?? -1, data[at + 1] ?? -1, data[at + 2] ?? -1];
    },
  };
}

/** JPEG keeps colours about as they were. */
export function isAbout(seen: Colour, meant: Colour): boolean {
  return seen.every((value, index) => Math.abs(value - (meant[index] ?? -1)) <= 6);
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeUInt32BE(crc32(named), 4);
  return Buffer.concat([ends.subarray(0, 4), named, ends.subarray(4)]);
}

function rgb([r, g, b]: Colour): { r: number; g: number; b: number } {
  return { r, g, b };
}
