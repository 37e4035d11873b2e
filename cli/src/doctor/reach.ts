import { connect } from "node:net";

const TIMEOUT_MS = 5_000;

/** Does anything take connections there? */
export function reach(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS });
    const finish = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.once("connect", () => finish(true));
    socket.once("timeout", () => finish(false));
    socket.once("error", () => finish(false));
  });
}
