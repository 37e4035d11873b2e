/** Why the embedded database can't be started; the message names the folder or process and what to do. */
export class EmbeddedError extends Error {
  readonly code:
    | "no_binaries"
    | "no_account"
    | "unreachable_folder"
    | "unwritable_folder"
    | "stopped"
    | "in_use"
    | "initdb_failed"
    | "start_failed"
    | "stop_failed"
    | "credentials_lost";
  constructor(code: EmbeddedError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EmbeddedError";
    this.code = code;
  }
}
