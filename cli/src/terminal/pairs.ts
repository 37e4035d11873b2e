import { CliError, EXIT } from "../exit.ts";

/** `["a=1", "b=x=y"]` gives `{a: "1", b: "x=y"}`. */
export function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals < 1) throw new CliError(`"${text}" is not of the form key=value.`, EXIT.usage);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

/** As pairs, but a value that is JSON keeps its type: `width=200` is a number, `sql=SELECT 1` a text. */
export function typedPairs(texts: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pairs(texts)).map(([key, text]) => [key, typed(text)]));
}

function typed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
