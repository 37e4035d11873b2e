import { once } from "node:events";
import { createServer, request, type ClientRequest, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { createAgents } from "./agents.ts";

type Ask = (prepare?: (asking: ClientRequest) => void) => Promise<IncomingMessage>;

async function serve(listener: RequestListener): Promise<Ask> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // Of a server that listens on TCP.
  const agents = createAgents({ maxSockets: 1 });
  onTestFinished(async () => {
    agents.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return async (prepare) => {
    const asking = request({ host: "127.0.0.1", port, agent: agents.http });
    prepare?.(asking);
    asking.end();
    const [answer] = (await once(asking, "response")) as [IncomingMessage];
    return answer;
  };
}

it.each(["with its length", "in chunks"])(
  "leaves the bytes of an answer %s as they are, also of the next ones on the connection",
  async (how) => {
    const content = Buffer.alloc(3_000_000, Buffer.from(Array.from({ length: 251 }, (_unused, byte) => byte)));
    const connections = new Set();
    const ask = await serve((incoming, response) => {
      connections.add(incoming.socket);
      if (how === "with its length") response.setHeader("content-length", content.length);
      for (let start = 0; start < content.length; start += 70_001) response.write(content.subarray(start, start + 70_001));
      response.end();
    });
    for (let round = 0; round < 3; round++) {
      const chunks: Buffer[] = [];
      for await (const chunk of await ask()) chunks.push(chunk);
      expect(Buffer.concat(chunks).equals(content)).toBe(true);
    }
    expect(connections.size).toBe(1);
  },
);

it("frees all that is read, for the second answer on a connection too", async () => {
  const content = Buffer.alloc(1_000_000, "x");
  const ask = await serve((_incoming, response) => void response.end(content));
  for (let round = 0; round < 2; round++) {
    const reads: Buffer[] = [];
    const answer = await ask((asking) => asking.once("socket", (socket) => socket.on("data", (chunk: Buffer) => reads.push(chunk))));
    expect((await buffer(answer)).equals(content)).toBe(true);
    expect(reads.length).toBeGreaterThan(10);
    expect(reads.filter((chunk) => chunk.buffer.byteLength > 0)).toEqual([]);
  }
});
