import { openTcpProxy } from "../chaos/tcp-proxy.ts";

export interface CuttingProxy {
  readonly url: string;
  /** Cuts that have not happened yet. */
  left(): number;
  close(): Promise<void>;
}

/**
 * In front of an API: a connection that has passed more bytes on than the next of `cuts` is reset. Bytes that were passed on
 * have been sent.
 */
export async function openCuttingProxy(target: string, cuts: readonly number[] = []): Promise<CuttingProxy> {
  const waiting = [...cuts];
  const passed = new WeakMap<object, number>();
  const proxy = await openTcpProxy({
    targetPort: Number(new URL(target).port),
    onRequest(chunk, link) {
      const bytes = (passed.get(link) ?? 0) + chunk.length;
      passed.set(link, bytes);
      const [next] = waiting;
      if (next === undefined || bytes <= next) return "pass";
      waiting.shift();
      link.cut();
      return "drop";
    },
  });
  return { url: `http://127.0.0.1:${proxy.port}`, left: () => waiting.length, close: () => proxy.close() };
}
