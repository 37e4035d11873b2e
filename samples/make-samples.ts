/**
 * Makes the files of this folder again, byte for byte where nothing is encoded. Needs Debian's package
 * plasma-workspace-wallpapers (4:5.27.5-2), unpacked:
 *
 *   apt-get download plasma-workspace-wallpapers && dpkg-deb -x plasma-workspace-wallpapers_*.deb unpacked
 *   node samples/make-samples.ts unpacked
 */
import { createWriteStream } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { argv } from "node:process";
import { pipeline } from "node:stream/promises";
import sharp from "sharp";
import { ZipFile } from "yazl";

const here = import.meta.dirname;
const vega = join(here, "../node_modules/vega-datasets/data");

/** Taken as they are. */
const PHOTOS = { "boats-at-evening.jpg": "EveningGlow", "fallen-leaf.jpg": "FallenLeaf", "colorful-cups.jpg": "ColorfulCups", "kite.jpg": "Kite" };
const TABLES = ["penguins.json", "seattle-weather.csv", "unemployment.tsv"];

await makePhotos(argv[2] ?? "unpacked");
for (const table of TABLES) await copyFile(join(vega, table), join(here, "tables", table));
await makeArchive();

async function makePhotos(unpacked: string): Promise<void> {
  await mkdir(join(here, "photos"), { recursive: true });
  const original = (name: string) => join(unpacked, "usr/share/wallpapers", name, "contents/images/2560x1600.jpg");
  for (const [file, name] of Object.entries(PHOTOS)) await copyFile(original(name), join(here, "photos", file));
  // As a camera held upright stores it: pixels lie on their side, and orientation 6 says how to turn them.
  await sharp(original("Path"))
    .extract({ left: 780, top: 0, width: 1000, height: 1600 })
    .rotate(-90)
    .withExif({ IFD0: { Artist: "Risto Saukonpää", ImageDescription: "Forest path; cropped" } })
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 85 })
    .toFile(join(here, "photos/forest-path-turned.jpg"));
}

async function makeArchive(): Promise<void> {
  await mkdir(join(here, "archives"), { recursive: true });
  const zip = new ZipFile();
  const options = { mtime: new Date(1980, 0, 1), mode: 0o100644, forceDosTimestamp: true };
  zip.addEmptyDirectory("weather", { mtime: options.mtime, forceDosTimestamp: true });
  zip.addFile(join(here, "tables/seattle-weather.csv"), "weather/seattle.csv", options);
  zip.addFile(join(here, "tables/penguins.json"), "penguins.json", options);
  zip.addFile(join(here, "text/cc0.txt"), "texts/cc0.txt", options);
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(join(here, "archives/mixed.zip")));
}
