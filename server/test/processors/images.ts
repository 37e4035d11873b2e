import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";

/** Colours everywhere, so that encoders have something to do. */
export function gradient(width: number, height: number): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < width * height; index++) {
    const x = index % width;
    const y = (index - x) / width;
    pixels.set([(x * 7) & 255, (y * 5) & 255, (x * y) & 255], index * 3);
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** Red above, blue below. */
export function halves(width: number, height: number): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let index = 0; index < width * height; index++) pixels.set(index < (width * height) / 2 ? [255, 0, 0] : [0, 0, 255], index * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/** A valid black PNG of one bit a pixel: 16,000 × 16,000 are some 31 KB. */
export function bombPng(width: number, height: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const rows = Buffer.alloc((Math.ceil(width / 8) + 1) * height);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 1 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
