import { connect } from "@filemill/sdk/client.ts";
import { expect, test } from "vitest";
import { contentOf, sha256 } from "../chaos/content.ts";
import { amount, chance } from "../chaos/seed.ts";
import { startSite } from "../chaos/site.ts";
import { openCuttingProxy } from "./cutting-proxy.ts";
import { tusUpload } from "./tus-upload.ts";

const AT_ONCE = 12;
const LEAST_BYTES = 140_000;
const MOST_BYTES = 400_000;
/** Of a try; a request that another process still holds is told to come again. */
const MOST_TRIES = 30;

/** L2 of the load runs; CHAOS_L2_UPLOADS makes it more. */
test(
  "L2: 300 uploads that are cut one to three times, half of them resumed through another API process, all arrive whole",
  { timeout: 300_000 },
  async () => {
    const uploads = amount("CHAOS_L2_UPLOADS", 300);
    const seeded = chance("L2");
    const site = await startSite();
    try {
      const { url: other } = await site.startApi();
      const orders = Array.from({ length: uploads }, (_unused, index) => {
        const sizeBytes = seeded.between(LEAST_BYTES, MOST_BYTES);
        return {
          name: `l2-${seeded.seed}-${index}.bin`,
          sizeBytes,
          cuts: Array.from({ length: seeded.between(1, 4) }, () => seeded.between(2_000, Math.floor(sizeBytes / 4))),
          resumeAt: index % 2 === 0 ? site.url : other,
        };
      });
      const queue = orders.values();
      const arrived = new Map<string, string>();
      let cuts = 0;
      const startedAt = performance.now();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (const order of queue) {
            const content = contentOf(order.name, order.sizeBytes);
            const [first, ...more] = order.cuts;
            const proxies = [await openCuttingProxy(site.url, [first ?? 0]), await openCuttingProxy(order.resumeAt, more)];
            let begun: string | undefined;
            for (let tries = 0; !arrived.has(order.name); tries++) {
              if (tries > MOST_TRIES) throw new Error(`${order.name} did not arrive in ${tries} tries`);
              const { url } = proxies[begun === undefined ? 0 : 1] ?? { url: site.url };
              const outcome = await tusUpload({ url, key: site.key, name: order.name, content, begun });
              begun = outcome.path ?? begun;
              if (outcome.error === undefined && outcome.fileId !== undefined) arrived.set(order.name, outcome.fileId);
            }
            for (const proxy of proxies) {
              expect(proxy.left(), order.name).toBe(0);
              await proxy.close();
            }
            cuts += order.cuts.length;
          }
        }),
      );
      console.log(`L2: ${uploads} uploads, ${cuts} cuts, ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
      const files = await Array.fromAsync(connect({ url: site.url, key: site.key }).files.list());
      expect(files).toHaveLength(uploads);
      const byName = new Map(files.map((file) => [file.name, file]));
      for (const { name, sizeBytes } of orders) {
        expect(byName.get(name)).toMatchObject({ id: arrived.get(name), size: sizeBytes, sha256: sha256(contentOf(name, sizeBytes)) });
      }
    } finally {
      await site.stop();
    }
  },
);
