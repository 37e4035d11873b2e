import { connect } from "@filemill/sdk/client.ts";
import { childOf } from "../chaos/child-of.ts";
import { until } from "../chaos/conditions.ts";
import { contentOf, sha256 } from "../chaos/content.ts";
import { chance } from "../chaos/seed.ts";
import { startSite } from "../chaos/site.ts";
import { openTcpProxy } from "../chaos/tcp-proxy.ts";
import { tusUpload } from "./tus-upload.ts";

const CLIENTS = 4;
const UPLOADS_A_KILL = 5;
const LEAST_BYTES = 40_000;
const MOST_BYTES = 1_500_000;
/**
 * A dead process's lock ends with its lease; a client of the field tries again about so often. Patient: on a busy machine a
 * start takes half a minute, and several kills may wait in a row.
 */
const RETRIES_MS = Array.from({ length: 2_000 }, () => 300);

/**
 * F03 for resumable uploads: the API is killed at random bytes, again and again, and `npm start` starts it again. Clients go
 * on by themselves. Gives what is wrong: a file that is missing, doubled or altered, or bytes that are not what was sent.
 */
export async function killedApi(uploads: number): Promise<string[]> {
  const seeded = chance("F03 tus");
  const site = await startSite();
  const proxied = { bytes: 0 };
  const orders = Array.from({ length: uploads }, (_unused, index) => ({
    name: `f03-${seeded.seed}-${index}.bin`,
    sizeBytes: seeded.between(LEAST_BYTES, MOST_BYTES),
  }));
  const allBytes = orders.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const kills = Math.max(1, Math.floor(uploads / UPLOADS_A_KILL));
  const killAt = Array.from({ length: kills }, (_unused, index) => Math.floor(((index + seeded.fraction()) * allBytes) / kills));
  let killing = Promise.resolve();
  let killed = 0;

  async function kill(): Promise<void> {
    const pid = await until("the API runs", 60_000, () => childOf(site.programs()[0]?.pid ?? 0, "api.ts"));
    process.kill(pid, "SIGKILL");
    killed++;
    const answers = () =>
      fetch(`${site.url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until("the API answers again", 60_000, answers);
  }

  const proxy = await openTcpProxy({
    targetPort: Number(new URL(site.url).port),
    onRequest(chunk) {
      proxied.bytes += chunk.length;
      while (proxied.bytes >= (killAt[0] ?? Number.POSITIVE_INFINITY)) {
        killAt.shift();
        killing = killing.then(kill);
      }
      return "pass";
    },
  });
  const findings: string[] = [];
  try {
    const queue = orders.values();
    const url = `http://127.0.0.1:${proxy.port}`;
    await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        for (const { name, sizeBytes } of queue) {
          const outcome = await tusUpload({ url, key: site.key, name, content: contentOf(name, sizeBytes), retryDelaysMs: RETRIES_MS });
          if (outcome.error) findings.push(`${name} did not arrive: ${outcome.error.message}`);
        }
      }),
    );
    await killing;
    if (killed !== kills) findings.push(`the API was killed ${killed} times instead of ${kills}`);
    const client = connect({ url: site.url, key: site.key });
    const files = await Array.fromAsync(client.files.list());
    for (const { name, sizeBytes } of orders) {
      const expected = sha256(contentOf(name, sizeBytes));
      const found = files.filter((file) => file.name === name);
      if (found.length !== 1) findings.push(`${name} is there ${found.length} times`);
      for (const file of found) {
        if (file.sha256 !== expected) findings.push(`${name} has the sha256 ${file.sha256} instead of ${expected}`);
        const back = sha256(Buffer.from(await (await client.files.content(file.id)).arrayBuffer()));
        if (back !== expected) findings.push(`${name} came back altered`);
      }
    }
    console.log(`F03 tus: ${uploads} uploads, ${killed} kills, ${files.length} files, findings: ${findings.length}`);
    return findings;
  } finally {
    await proxy.close();
    await site.stop();
  }
}
