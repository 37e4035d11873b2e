import { once } from "node:events";
import { createServer } from "node:https";
import type { RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { generate } from "selfsigned";

/** A real HTTPS server on 127.0.0.1 whose certificate is good for these names. */
export interface TlsOrigin {
  readonly port: number;
  /** Names of the certificates that clients asked for. */
  readonly servernames: string[];
  /** Makes this process trust it, as NODE_EXTRA_CA_CERTS would; gives back how to end that. */
  trust(): () => void;
  close(): Promise<void>;
}

export async function startTlsOrigin(names: readonly string[], listener: RequestListener): Promise<TlsOrigin> {
  const pair = await generate([{ name: "commonName", value: names[0] ?? "" }], {
    keySize: 2048,
    algorithm: "sha256",
    extensions: [{ name: "subjectAltName", altNames: names.map((value) => ({ type: 2, value })) }],
  });
  const server = createServer({ key: pair.private, cert: pair.cert }, listener);
  const servernames: string[] = [];
  server.on("secureConnection", (socket) => servernames.push(String(socket.servername)));
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    servernames,
    trust() {
      const before = getCACertificates("default");
      setDefaultCACertificates([...before, pair.cert]);
      return () => setDefaultCACertificates(before);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
