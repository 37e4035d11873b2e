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
  | { readonly type: "pong" }
  /** The API was asked for so many workers. */
  | { readonly type: "resize"; readonly question: number; readonly count: number };

export type ToChild =
  | { readonly type: "settings"; readonly environment: Readonly<Record<string, string>> }
  | { readonly type: "measure"; readonly question: number; readonly labels: Readonly<Record<string, string>> }
  | { readonly type: "ping" }
  | { readonly type: "resized"; readonly question: number; readonly was: number }
  /** End what runs, take nothing new, and then end. */
  | { readonly type: "drain" };

const FROM_CHILD: ReadonlySet<unknown> = new Set<FromChild["type"]>(["ready", "measured", "pong", "resize"]);
const TO_CHILD: ReadonlySet<unknown> = new Set<ToChild["type"]>(["settings", "measure", "ping", "resized", "drain"]);

/** Both ends are ours and of one version: the type tells which message it is. */
export function isFromChild(message: unknown): message is FromChild {
  return hasType(message) && FROM_CHILD.has(message.type);
}

export function isToChild(message: unknown): message is ToChild {
  return hasType(message) && TO_CHILD.has(message.type);
}

function hasType(message: unknown): message is { readonly type: unknown } {
  return typeof message === "object" && message !== null && "type" in message;
}
