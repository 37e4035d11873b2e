/** What separates the fields, and what the text is then called; in the order in which they are tried. */
const DELIMITERS = [
  [",", "text/csv"],
  ["\t", "text/tab-separated-values"],
  [";", "text/csv"],
  ["|", "text/csv"],
] as const;

const MAX_RECORDS = 100;
/** Fewer records of equal width happen by chance in prose. */
const MIN_RECORDS = 3;

/**
 * Is the text a table? Every record of its start has to have the same number of fields, two at least. With only two
 * records, or where most separators are followed by a space as in prose, it is a tie that the name's extension decides.
 */
export function tableMediaType(file: { text: string; complete: boolean; extension: string }): string | undefined {
  const named = file.extension === "csv" || file.extension === "tsv" || file.extension === "tab";
  for (const [delimiter, mediaType] of DELIMITERS) {
    const records = readRecords({ text: file.text, delimiter, complete: file.complete });
    const width = records[0] ?? 0;
    if (width < 2 || records.length < 2 || records.some((fields) => fields !== width)) continue;
    if (named) return mediaType;
    if (records.length >= MIN_RECORDS && !readsAsProse(file.text, delimiter)) return mediaType;
  }
  return undefined;
}

function readsAsProse(text: string, delimiter: string): boolean {
  const separators = text.split(delimiter).length - 1;
  const spaced = text.split(`${delimiter} `).length - 1;
  return delimiter !== "\t" && spaced * 2 > separators;
}

/** Number of fields of each whole record; quotes as in RFC 4180. */
function readRecords(file: { text: string; delimiter: string; complete: boolean }): number[] {
  const { text, delimiter, complete } = file;
  const records: number[] = [];
  let fields = 1;
  let quoted = false;
  let fieldStart = true;
  let empty = true;
  for (let index = text.startsWith("\ufeff") ? 1 : 0; index < text.length && records.length < MAX_RECORDS; index++) {
    const character = text[index];
    if (quoted) {
      // A doubled quote closes and opens again, which comes to the same.
      if (character === '"') quoted = false;
    } else if (character === '"' && (fieldStart || text[index - 1] === '"')) {
      quoted = true;
    } else if (character === "\n") {
      if (!empty) records.push(fields);
      fields = 1;
      fieldStart = true;
      empty = true;
      continue;
    } else if (character === delimiter) {
      fields++;
      fieldStart = true;
      empty = false;
      continue;
    }
    if (character !== "\r") empty = false;
    fieldStart = false;
  }
  if (complete && !empty && !quoted && records.length < MAX_RECORDS) records.push(fields);
  return records;
}
