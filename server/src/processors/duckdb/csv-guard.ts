import { quoteName, quoteText } from "./table-reader.ts";

export interface Column {
  readonly name: string;
  /** DuckDB's name of the type, such as VARCHAR or DECIMAL(10,2). */
  readonly type: string;
}

/** Types whose text can't be a formula that anybody wrote: numbers keep their minus sign. */
const HARMLESS =
  /^(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|UHUGEINT|BIGNUM|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|BOOLEAN|DATE|TIME|TIMESTAMP.*|TIME WITH TIME ZONE|INTERVAL|UUID)$/;
const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r"];

/**
 * `query` with an apostrophe before every text, and every column name, that a spreadsheet would run as a formula
 * (OWASP "CSV injection"). Columns keep their names and order.
 */
export function guardFormulas(query: string, columns: readonly Column[]): string {
  const aliases = columns.map((_, index) => quoteName(`c${index}`));
  const starts = FORMULA_STARTS.map((start) => (start === "\t" ? "chr(9)" : start === "\r" ? "chr(13)" : quoteText(start))).join(", ");
  const selected = columns.map(({ name, type }, index) => {
    const value = quoteName(`c${index}`);
    const header = quoteName(FORMULA_STARTS.includes(name.slice(0, 1)) ? `'${name}` : name);
    if (HARMLESS.test(type)) return `${value} AS ${header}`;
    const text = type === "VARCHAR" ? value : `CAST(${value} AS VARCHAR)`;
    return `CASE WHEN left(${text}, 1) IN (${starts}) THEN concat('''', ${text}) ELSE ${text} END AS ${header}`;
  });
  return `SELECT ${selected.join(", ")} FROM (\n${query}\n) AS result(${aliases.join(", ")})`;
}
