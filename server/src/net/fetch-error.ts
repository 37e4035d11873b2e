/**
 * Why something was not fetched. `refused`: this URL, or the address behind it, may not be asked. `bad_redirect`: it
 * leads on for too long, nowhere, or from https to http. `too_large`: more bytes than the caller takes. These three
 * stay as they are; `unresolvable`, `unreachable` (no connection, TLS, cut short) and `timeout` may pass.
 */
export class FetchError extends Error {
  readonly code: "refused" | "bad_redirect" | "too_large" | "unresolvable" | "unreachable" | "timeout";
  constructor(code: FetchError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FetchError";
    this.code = code;
  }
}
