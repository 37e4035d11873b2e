/**
 * Asks this app, and gives the answer's JSON. Rejects with Error, whose message is for people.
 *
 * @param {string} path
 * @param {{ method?: string, body?: object }} [request]
 * @returns {Promise<any>}
 */
export async function ask(path, { method = "GET", body } = {}) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await fetch(path, { method, ...sent });
  const text = await answer.text();
  if (answer.ok) return text === "" ? undefined : JSON.parse(text);
  throw new Error(problemIn(text) ?? `${method} ${path} was answered with ${answer.status}.`);
}

/**
 * @param {string} text
 * @returns {string | undefined}
 */
function problemIn(text) {
  try {
    const { error, errors } = JSON.parse(text);
    return error ?? errors.map((/** @type {{ msg: string }} */ { msg }) => msg).join(", ");
  } catch {
    return undefined;
  }
}
