/** Of documents, and of what processors make of them: `report.pdf.text.json` is the text of `report.pdf`, as JSON. */
const EXTENSION = /\.(?:json|ndjson|txt|text|form|stats|metadata|profile|pdf|xml|html|md|csv|tsv|png|jpe?g|tiff?|webp|gif|avif)$/i;

/** A name without its extensions, however many; one that has nothing else keeps them. */
export function withoutExtensions(name: string): string {
  let stem = name;
  for (let shorter = stem.replace(EXTENSION, ""); shorter !== stem && shorter !== ""; shorter = stem.replace(EXTENSION, "")) stem = shorter;
  return stem;
}
