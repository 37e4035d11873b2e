/** A parameterised statement. Never a named prepared statement: those break behind transaction poolers. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * SQL with its values apart: sql`SELECT 1 WHERE id = ${id}`. An interpolated Statement is inlined with its own values,
 * so that conditions can be composed; everything else becomes a parameter.
 */
export function sql(strings: TemplateStringsArray, ...values: readonly unknown[]): Statement {
  let text = strings[0] ?? "";
  const parameters: unknown[] = [];
  values.forEach((value, index) => {
    if (isStatement(value)) {
      const offset = parameters.length;
      text += value.text.replace(/\$(\d+)/g, (_match, number: string) => `$${Number(number) + offset}`);
      parameters.push(...value.values);
    } else {
      parameters.push(value);
      text += `$${parameters.length}`;
    }
    text += strings[index + 1] ?? "";
  });
  return { text, values: parameters };
}

/** Joins conditions with AND; no condition is TRUE. */
export function allOf(conditions: readonly Statement[]): Statement {
  return conditions.reduce((joined, condition) => sql`${joined} AND ${condition}`, sql`TRUE`);
}

function isStatement(value: unknown): value is Statement {
  return typeof value === "object" && value !== null && "text" in value && "values" in value;
}
