/** A value's name: letters, digits, _ and -, with dots between; or the entry of a list itself. */
const NAME = /^(?:\.|[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*)$/u;
const FORBIDDEN: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
const MAX_DEPTH = 8;

/**
 * What is wrong with a Mustache template, so that it is said when a pipeline is written and not for each file; undefined:
 * nothing. Taken are values, sections, inverted sections and comments. Partials and other delimiters are not: there is
 * nothing to include, and what tags are would depend on what was read.
 */
export function faultOf(template: string): string | undefined {
  const open: string[] = [];
  let end = 0;
  for (let start = template.indexOf("{{"); start >= 0; start = template.indexOf("{{", end)) {
    const isTriple = template[start + 2] === "{";
    const close = isTriple ? "}}}" : "}}";
    const stop = template.indexOf(close, start + 2);
    if (stop < 0) return `has "{{" without "}}" at character ${start + 1}`;
    end = stop + close.length;
    const inner = template.slice(start + (isTriple ? 3 : 2), stop);
    const sign = isTriple ? "&" : /^[#^/!&>=]/.test(inner) ? inner.charAt(0) : "";
    const name = (sign === "" || isTriple ? inner : inner.slice(1)).trim();
    if (sign === "!") continue;
    if (sign === ">" || sign === "=") return `has "{{${sign}", which includes or redefines; only values, sections and comments are taken`;
    const parts = name.split(".");
    if (!NAME.test(name) || parts.some((part) => FORBIDDEN.has(part))) return `has {{${inner.slice(0, 50)}}}, which is no name of a value`;
    if (sign === "#" || sign === "^") open.push(name);
    if (open.length > MAX_DEPTH) return `has more than ${MAX_DEPTH} sections in each other`;
    if (sign === "/" && open.pop() !== name) return `ends the section "${name}", which was not begun last`;
  }
  const left = open.pop();
  return left === undefined ? undefined : `does not end the section "${left}"`;
}
