/** The texts of several processes, each with a label of its own on every line, as one: Prometheus wants each metric once, in one block. */
export function mergeMetrics(texts: readonly string[]): string {
  const blocks = new Map<string, string[]>();
  for (const block of texts.flatMap((text) => text.split(/\n(?=# HELP )/))) {
    const [help, type, ...lines] = block.split("\n").filter((line) => line !== "");
    if (help === undefined || type === undefined) continue;
    const head = `${help}\n${type}`;
    blocks.set(head, [...(blocks.get(head) ?? []), ...lines]);
  }
  return [...blocks].map(([head, lines]) => `${[head, ...lines].join("\n")}\n`).join("\n");
}
