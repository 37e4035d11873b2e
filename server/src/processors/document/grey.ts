import type { PagePicture } from "./render-page.ts";

/** As a PNG in shades of grey, which is all that OCR looks at. */
export async function grey({ pixels, width, height }: PagePicture): Promise<Buffer> {
  const { default: sharp } = await import("sharp");
  const image = sharp(pixels, { raw: { width, height, channels: 4 }, limitInputPixels: false });
  return await image.flatten({ background: "#ffffff" }).greyscale().png({ compressionLevel: 1 }).toBuffer();
}
