import { Agent as HttpAgent, type AgentOptions, type ClientRequestArgs } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Guard, Target } from "./guard.ts";

/**
 * For clients of others that bring their own requests (the AWS and Azure SDKs take agents of node:http): whatever they
 * dial is judged as a URL is.
 */
export interface GuardedAgents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

export function createGuardedAgents(guard: Guard, options: AgentOptions): GuardedAgents {
  const httpAgent = new HttpAgent(options);
  const httpsAgent = new HttpsAgent(options);
  for (const agent of [httpAgent, httpsAgent]) {
    const connect = agent.createConnection.bind(agent);
    // Node's own place for this: "A function that produces a socket/stream to be used for network requests."
    agent.createConnection = (args, done) => {
      const target = targetOf(args);
      try {
        guard.checkTarget(target);
      } catch (error) {
        if (done === undefined || !(error instanceof Error)) throw error;
        // As a failed connection: the request then emits `error`, where a throw would come out of whoever makes requests.
        process.nextTick(done, error);
        return undefined;
      }
      return connect({ ...args, lookup: guard.lookupFor(target) }, done);
    };
  }
  return { httpAgent, httpsAgent };
}

/** A request without a port has one by now: the agent has put its default there. */
function targetOf(args: ClientRequestArgs): Target {
  return { host: args.host ?? "", port: Number(args.port) };
}
