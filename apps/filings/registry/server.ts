import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyReply } from "fastify";
import { createHttpServer } from "../../start/http-server.ts";
import { companyOf, isCin } from "./company.ts";
import { filingsOf, type Filing } from "./filing.ts";
import { formPdf } from "./form.ts";
import { scannedPdf } from "./scan.ts";
import { chanceOf, type Chance } from "./seeded.ts";
import type { RegistrySettings } from "./settings.ts";

/** GET /companies/:cin. */
export interface CompanyAnswer {
  readonly cin: string;
  readonly companyName: string;
  readonly documents: readonly ListedDocument[];
}

export interface ListedDocument {
  readonly documentNumber: number;
  readonly documentType: string;
  readonly fileName: string;
  /** Of the PDF, relative to the registry. */
  readonly path: string;
}

/** A registry of companies as a web server: invented, the same for everybody who asks, and as moody as real ones. Not listening yet. */
export function createRegistry(settings: RegistrySettings): FastifyInstance {
  const app = createHttpServer({ errorBody: (error) => ({ error }) });
  let requests = 0;

  app.get<{ Params: { cin: string } }>("/companies/:cin", async ({ params: { cin } }, reply) => {
    if (!isCin(cin)) return unknown(reply, cin);
    const company = companyOf(cin);
    const documents = filingsOf(company, settings.scannedShare).map(({ documentNumber, documentType, fileName }): ListedDocument => ({
      ...{ documentNumber, documentType, fileName },
      path: `/companies/${cin}/documents/${documentNumber}`,
    }));
    return { ...company, documents } satisfies CompanyAnswer;
  });

  app.get<{ Params: { cin: string; number: string } }>("/companies/:cin/documents/:number", async ({ params }, reply) => {
    const filing = isCin(params.cin) ? served(params.cin, Number(params.number), settings) : undefined;
    if (filing === undefined) return unknown(reply, `${params.cin}/${params.number}`);
    // Asked again, the same document may fare better.
    const chance = chanceOf(`${settings.seed} request ${requests++}`);
    await pause(chance, settings, reply.raw);
    if (chance.fraction() < settings.failShare) return reply.code(503).send({ error: "The registry is busy." });
    const pdf = Buffer.from(await (filing.isScanned ? scannedPdf(filing) : formPdf(filing)));
    if (chance.fraction() < settings.lieShare) return sendLess(reply, pdf);
    return reply.type("application/pdf").send(pdf);
  });
  return app;
}

/** The document of that number, or, where that repeats, the one before it. */
function served(cin: string, number: number, { seed, repeatShare, scannedShare }: RegistrySettings): Filing | undefined {
  const filings = filingsOf(companyOf(cin), scannedShare);
  const isRepeated = number > 1 && chanceOf(`${seed} repeat ${cin} ${number}`).fraction() < repeatShare;
  return filings[isRepeated ? number - 2 : number - 1];
}

/** Nobody waits for an answer that can reach nobody any more. */
async function pause(chance: Chance, { delayMs, slowShare, slowMs }: RegistrySettings, answer: NodeJS.EventEmitter): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  answer.once("close", leave);
  await delay(chance.fraction() < slowShare ? slowMs : delayMs, undefined, { signal: gone.signal }).catch(() => undefined);
  answer.off("close", leave);
}

/** Announces the whole document, sends half of it and ends the connection. */
function sendLess(reply: FastifyReply, pdf: Buffer): FastifyReply {
  reply.hijack();
  reply.raw.writeHead(200, { "content-type": "application/pdf", "content-length": pdf.length });
  reply.raw.write(pdf.subarray(0, pdf.length >> 1), () => reply.raw.destroy());
  return reply;
}

function unknown(reply: FastifyReply, what: string): FastifyReply {
  return reply.code(404).send({ error: `${what} is not in this registry.` });
}
