import { Command } from "commander";

/** A verb; every one of them knows --json. */
export function verb(name: string, description: string): Command {
  return new Command(name).description(description).option("--json", "print one JSON document on stdout and nothing else");
}

/** A noun with its verbs. */
export function noun(name: string, description: string, verbs: readonly Command[]): Command {
  const command = new Command(name).description(description);
  for (const one of verbs) command.addCommand(one);
  return command;
}

export interface JsonOption {
  readonly json?: boolean;
}
