import { parseTarget, type FetchConfig } from "../../config-fetch.ts";
import { openDialer, type Dialer } from "../../net/dialer.ts";

/** Ways out for sources: one for what users name, and one for each place that the operator has named. */
export interface Dialers {
  readonly open: Dialer;
  /** May also go to this very place, which may be in the private network. */
  to(endpoint: URL): Dialer;
  close(): Promise<void>;
}

export function openDialers(config: FetchConfig): Dialers {
  const open = openDialer(config);
  const named = new Map<string, Dialer>();
  return {
    open,
    to(endpoint) {
      const target = `${endpoint.hostname}:${endpoint.port || (endpoint.protocol === "http:" ? 80 : 443)}`;
      let dialer = named.get(target);
      if (dialer === undefined) {
        dialer = openDialer({ ...config, allow: [...config.allow, parseTarget(target)] });
        named.set(target, dialer);
      }
      return dialer;
    },
    async close() {
      await Promise.all([open, ...named.values()].map((dialer) => dialer.close()));
    },
  };
}
