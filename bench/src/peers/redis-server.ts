import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A Redis of one's own that writes every command to disk once a second, the usual setting where jobs must survive. */
export async function startRedis(): Promise<{ port: number; close: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-redis-"));
  const port = await freePort();
  const settings = ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--save", ""];
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  // Also where the bench is stopped midway.
  process.once("exit", () => server.kill("SIGKILL"));
  await new Promise<void>((ready, failed) => {
    server.once("error", (error) =>
      failed(new Error("redis-server can't be started; install it: apt-get install redis-server", { cause: error })),
    );
    server.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("Ready to accept connections")) ready();
    });
  });
  return {
    port,
    async close() {
      server.kill("SIGTERM");
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("No free port on 127.0.0.1");
  return address.port;
}
