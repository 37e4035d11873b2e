import { createServer, connect, type Socket } from "node:net";
import { once } from "node:events";

/** What a proxied connection lets a scenario do. */
export interface Link {
  /** Resets both sides. What was sent to the server before stays sent. */
  cut(): void;
}

/**
 * Sees each chunk before it goes on. `pass` lets it go; `hold` keeps it and all that follows in this direction back until
 * release(); `drop` swallows it.
 */
export type Decision = "pass" | "hold" | "drop";

export interface TcpProxy {
  readonly port: number;
  /** Lets all that is held go. */
  release(): void;
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  readonly targetPort: number;
  readonly onRequest?: (chunk: Buffer, link: Link) => Decision;
  readonly onAnswer?: (chunk: Buffer, link: Link) => Decision;
}

export async function openTcpProxy({ targetPort, onRequest, onAnswer }: TcpProxyOptions): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  const released: (() => void)[] = [];

  const server = createServer((client) => {
    const target = connect(targetPort, "127.0.0.1");
    const link: Link = {
      cut() {
        client.resetAndDestroy();
        target.resetAndDestroy();
      },
    };
    for (const socket of [client, target]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        target.destroy();
      });
      socket.on("error", () => undefined);
    }
    carry(client, target, (chunk) => onRequest?.(chunk, link) ?? "pass");
    carry(target, client, (chunk) => onAnswer?.(chunk, link) ?? "pass");
  });

  function carry(from: Socket, to: Socket, decide: (chunk: Buffer) => Decision): void {
    let held: Buffer[] | undefined;
    from.on("data", (chunk: Buffer) => {
      if (held) return void held.push(chunk);
      const decision = decide(chunk);
      if (decision === "drop") return;
      if (decision === "pass") return void to.write(chunk);
      held = [chunk];
      released.push(() => {
        for (const kept of held ?? []) to.write(kept);
        held = undefined;
      });
    });
    from.on("end", () => to.end());
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return {
    port: address.port,
    release() {
      for (const go of released.splice(0)) go();
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
