import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@filemill/sdk/local-platform.ts";

const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const READY_WITHIN_MS = 90_000;

/** A RabbitMQ of one's own at 127.0.0.1, with its settings as they come. */
export async function startRabbitMq(): Promise<{ url: string; close: () => Promise<void> }> {
  await access(SERVER).catch((cause: unknown) => {
    throw new Error("RabbitMQ is not there; install it: apt-get install --no-install-recommends rabbitmq-server", { cause });
  });
  const folder = await mkdtemp(join(tmpdir(), "filemill-rabbitmq-"));
  const [port, distributionPort, mapperPort] = [await freePort(), await freePort(), await freePort()];
  await writeFile(join(folder, "rabbitmq.conf"), `listeners.tcp.default = 127.0.0.1:${port}\nlog.console = true\nlog.file = false\n`);
  await writeFile(join(folder, "enabled_plugins"), "[].");
  const mapper = { ERL_EPMD_ADDRESS: "127.0.0.1", ERL_EPMD_PORT: String(mapperPort) };
  // Erlang starts its mapper of ports by itself where there is none, and leaves it behind.
  const epmd = spawn("epmd", [], { env: { PATH: process.env["PATH"], ...mapper }, stdio: "ignore" });
  const server = spawn(SERVER, [], {
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      ...mapper,
      RABBITMQ_NODENAME: `filemill-bench-${process.pid}@localhost`,
      RABBITMQ_BASE: folder,
      RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
      RABBITMQ_LOG_BASE: join(folder, "log"),
      RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq"),
      RABBITMQ_CONF_ENV_FILE: join(folder, "none"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
      RABBITMQ_PID_FILE: join(folder, "pid"),
      RABBITMQ_DIST_PORT: String(distributionPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const gone = Promise.all([once(server, "exit"), once(epmd, "exit")]);
  const kill = () => {
    if (server.pid !== undefined && server.exitCode === null && server.signalCode === null) process.kill(-server.pid, "SIGKILL");
    epmd.kill("SIGKILL");
  };
  // Also where the bench is stopped midway.
  process.once("exit", kill);
  const close = async () => {
    process.off("exit", kill);
    kill();
    await gone;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let said = "";
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`RabbitMQ is not ready:\n${said}`)), READY_WITHIN_MS);
      server.once("exit", () => reject(new Error(`RabbitMQ has ended:\n${said}`)));
      for (const output of [server.stdout, server.stderr]) {
        output.setEncoding("utf8").on("data", (chunk: string) => {
          said = (said + chunk).slice(-10_000);
          if (!/Server startup complete/.test(said)) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
    return { url: `amqp://guest:guest@127.0.0.1:${port}//`, close };
  } catch (error) {
    await close();
    throw error;
  }
}
