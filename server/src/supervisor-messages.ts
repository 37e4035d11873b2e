/** What a supervised process and its parent say to each other over their IPC channel. */

/** Argument of a child that waits for its settings before it starts. */
export const AWAIT_SETTINGS = "--await-settings";

/** The child serves now. */
export interface ReadyMessage {
  readonly type: "ready";
  /** Where it listens. */
  readonly port?: number;
  /** What whoever starts it should know, as a sentence. */
  readonly note?: string;
}

export type FromChild =
  | ReadyMessage
  | { readonly type: "measured"; readonly question: number; readonly text: string }
  /** To a ping: the event loop turns. */
  | { readonly type: "pong" };

export type ToChild =
  | { readonly type: "settings"; readonly environment: Readonly<Record<string, string>> }
  | { readonly type: "measure"; readonly question: number; readonly labels: Readonly<Record<string, string>> }
  | { readonly type: "ping" };

/** Both ends are ours and of one version: the type tells which message it is. */
export function isFromChild(message: unknown): message is FromChild {
  return hasType(message) && (message.type === "ready" || message.type === "measured" || message.type === "pong");
}

export function isToChild(message: unknown): message is ToChild {
  return hasType(message) && (message.type === "settings" || message.type === "measure" || message.type === "ping");
}

function hasType(message: unknown): message is { readonly type: unknown } {
  return typeof message === "object" && message !== null && "type" in message;
}
