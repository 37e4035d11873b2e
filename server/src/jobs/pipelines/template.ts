import { pointerTo } from "./pointer.ts";

/** `${params.width}` inside `with`. Only whole parameters can be named: no paths, no expressions. */
const REFERENCE = /\$\{([^{}]*)\}/g;
const ONLY_REFERENCE = /^\$\{([^{}]*)\}$/;
const PARAMETER = /^params\.([A-Za-z_][A-Za-z0-9_-]*)$/;

export interface Reference {
  /** What stands between the braces. */
  readonly text: string;
  /** The parameter, or undefined where the text names none. */
  readonly parameter: string | undefined;
  /** JSON pointer of the string it stands in, relative to the value that was searched. */
  readonly pointer: string;
}

/** Every `${…}` in the strings of a JSON value. */
export function referencesIn(value: unknown, path: readonly (string | number)[] = []): Reference[] {
  if (typeof value === "string") {
    return [...value.matchAll(REFERENCE)].map((match) => {
      const text = match[1] ?? "";
      return { text, parameter: PARAMETER.exec(text.trim())?.[1], pointer: pointerTo(path) };
    });
  }
  if (Array.isArray(value)) return value.flatMap((entry, index) => referencesIn(entry, [...path, index]));
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, entry]) => referencesIn(entry, [...path, key]));
  }
  return [];
}

/**
 * A copy of a JSON value with its references filled in. A string that is nothing but a reference becomes the parameter
 * with its JSON type; inside other text a parameter becomes text (objects and arrays as JSON). A key whose parameter has
 * no value is left out, as if it had not been written, so that the processor's own default applies.
 */
export function substitute(value: unknown, params: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === "string") return substituteText(value, params);
  if (Array.isArray(value)) return value.map((entry) => substitute(entry, params)).filter((entry) => entry !== undefined);
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, entry]) => [key, substitute(entry, params)] as const);
    return Object.fromEntries(entries.filter(([, entry]) => entry !== undefined));
  }
  return value;
}

function substituteText(text: string, params: Readonly<Record<string, unknown>>): unknown {
  const alone = ONLY_REFERENCE.exec(text);
  if (alone) return lookUp(alone[1] ?? "", params);
  return text.replaceAll(REFERENCE, (_match, inner: string) => {
    const value = lookUp(inner, params);
    if (value === undefined || value === null) return "";
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}

function lookUp(inner: string, params: Readonly<Record<string, unknown>>): unknown {
  const name = PARAMETER.exec(inner.trim())?.[1];
  return name !== undefined && Object.hasOwn(params, name) ? params[name] : undefined;
}
