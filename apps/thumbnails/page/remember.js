/** Photos sent from this tab, so that a reload shows them again. */
const KEY = "photos";
const MOST = 100;

/**
 * @typedef {object} Sent
 * @property {string} fileId
 * @property {string} name
 */

/** @returns {Sent[]} the oldest first */
export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  } catch {
    return [];
  }
}

/** @param {Sent} sent */
export function remember(sent) {
  sessionStorage.setItem(KEY, JSON.stringify([...remembered(), sent].slice(-MOST)));
}
