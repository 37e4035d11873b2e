import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../start/app-error.ts";
import type { CompanyAnswer } from "./registry/server.ts";

export interface RegistryClient {
  /** Of what the platform's workers fetch: the address under which they reach the registry. */
  readonly url: string;
  /** The company with this number, and its documents. Throws AppError where the registry does not answer in a few tries. */
  company(cin: string, signal: AbortSignal): Promise<CompanyAnswer>;
}

const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const ANSWER_WITHIN_MS = 10_000;

export function registryAt(url: string): RegistryClient {
  return {
    url,
    async company(cin, signal) {
      let reason = "";
      for (let turn = 0; turn < TRIES; turn++) {
        if (turn > 0) await delay(FIRST_PAUSE_MS * 2 ** turn, undefined, { signal });
        try {
          const answer = await fetch(new URL(`/companies/${cin}`, url), {
            signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
          });
          // Of our own interface; a registry that is not ours fails at its documents, one by one.
          if (answer.ok) return (await answer.json()) as CompanyAnswer;
          reason = `it answered ${answer.status}`;
        } catch (error) {
          signal.throwIfAborted();
          reason = error instanceof Error ? error.message : String(error);
        }
      }
      throw new AppError(`The registry at ${url} does not say what it has of ${cin}: ${reason}.`);
    },
  };
}
