import { createSocket } from "node:dgram";
import { once } from "node:events";
import { decode, encode, type Answer } from "dns-packet";

/** A real DNS server on a port of its own. */
export interface DnsServer {
  /** As dns.setServers takes it. */
  readonly address: string;
  /** Questions so far, as `A name`. */
  readonly asked: string[];
  close(): void;
}

/** `answer` is called for every question; undefined is no answer at all, [] is "there is no such record". */
export async function startDnsServer(answer: (type: string, name: string) => Answer[] | undefined): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (message, client) => {
    const query = decode(message);
    const [question] = query.questions ?? [];
    if (question === undefined) return;
    asked.push(`${question.type} ${question.name}`);
    const answers = answer(question.type, question.name);
    if (answers === undefined) return;
    const reply = encode({ type: "response", id: query.id ?? 0, flags: 0x180, questions: [question], answers });
    socket.send(reply, client.port, client.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => void socket.close() };
}
