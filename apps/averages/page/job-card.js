import { makeElement } from "../../page/make-element.js";
import { ask } from "../../page/ask.js";

const FIRST_VALUES = 8;
const SHORT_BYTES = 65_536;

/**
 * @typedef {object} Job
 * @property {string} _id
 * @property {number} noOfFiles
 * @property {number} noOfEntriesPerFile
 * @property {number} progress
 * @property {number} totalTasks
 * @property {string} status
 * @property {string | null} outputFilePath
 * @property {string | null} processingStartTime
 * @property {string | null} processingCompleteTime
 */

/**
 * What a person sees of one job.
 *
 * @typedef {object} JobCard
 * @property {HTMLLIElement} element
 * @property {(job: Job) => void} update
 */

/**
 * @param {Job} job
 * @param {(text: string) => void} say
 * @returns {JobCard}
 */
export function createJobCard(job, say) {
  const name = `${count(job.noOfFiles)} files × ${count(job.noOfEntriesPerFile)} numbers`;
  const state = makeElement("span", { class: "job-state quiet" });
  const bar = makeElement("progress", { max: 100, value: 0, "aria-label": `Progress of ${name}` });
  const values = makeElement("p", { class: "values", hidden: true });
  const verdict = makeElement("span", { role: "status" });
  const result = makeElement("a", { class: "button plain", hidden: true }, "Open the result");
  const check = makeElement("button", { type: "button", class: "plain", hidden: true }, "Check it in one pass");
  const remove = makeElement("button", { type: "button", class: "plain" }, "Delete");
  const element = makeElement(
    "li",
    { class: "card" },
    makeElement("div", { class: "job-head" }, makeElement("h3", {}, name), state),
    makeElement("p", { class: "job-id quiet" }, job._id),
    bar,
    values,
    makeElement("div", { class: "actions" }, result, check, remove, verdict),
  );
  let shown = "";

  /** @param {Job} now */
  function update(now) {
    state.textContent = stateOf(now);
    state.className = `job-state ${{ Completed: "good", Failed: "bad" }[now.status] ?? "quiet"}`;
    bar.value = now.progress;
    if (now.outputFilePath === null || shown === now.outputFilePath) return;
    shown = now.outputFilePath;
    result.href = shown;
    result.hidden = false;
    check.hidden = false;
    void showValues(shown);
  }

  /** @param {string} path */
  async function showValues(path) {
    values.textContent = await firstValues(path);
    values.hidden = false;
  }

  check.addEventListener("click", () => void validate());
  remove.addEventListener("click", () => void deleteJob());

  async function validate() {
    check.disabled = true;
    verdict.textContent = "Reading all files …";
    verdict.className = "quiet";
    try {
      const { isSame, linearFilePath } = await ask(`/jobs/${job._id}/linear-validator`, { method: "POST" });
      verdict.className = isSame ? "good" : "bad";
      const link = makeElement("a", { href: linearFilePath }, "what one pass gives");
      verdict.replaceChildren(isSame ? "The same as " : "Not the same as ", link);
    } catch (error) {
      verdict.className = "bad";
      verdict.textContent = error instanceof Error ? error.message : String(error);
    }
    check.disabled = false;
  }

  async function deleteJob() {
    remove.disabled = true;
    try {
      await ask(`/jobs/${job._id}`, { method: "DELETE" });
      element.remove();
      say(`${name}: deleted, with all of its files.`);
    } catch (error) {
      remove.disabled = false;
      say(error instanceof Error ? error.message : String(error));
    }
  }

  update(job);
  return { element, update };
}

/**
 * @param {Job} job
 * @returns {string}
 */
function stateOf({ status, progress, totalTasks, processingStartTime, processingCompleteTime }) {
  if (status === "Failed") return "Failed";
  if (status !== "Completed") return `${status} · ${progress.toFixed(1)} %`;
  const milliseconds = Date.parse(processingCompleteTime ?? "") - Date.parse(processingStartTime ?? "");
  return `Completed · ${count(totalTasks)} tasks · ${(milliseconds / 1_000).toFixed(2)} s`;
}

/**
 * The beginning of a result, which may be long.
 *
 * @param {string} path
 * @returns {Promise<string>}
 */
async function firstValues(path) {
  const answer = await fetch(path);
  // A short one comes whole: an answer that is broken off looks like trouble in the browser's log.
  if (Number(answer.headers.get("content-length")) <= SHORT_BYTES || answer.body === null) return beginningOf(await answer.text());
  const reader = answer.body.getReader();
  const { value } = await reader.read();
  void reader.cancel();
  return beginningOf(new TextDecoder().decode(value));
}

/**
 * @param {string} text
 * @returns {string}
 */
function beginningOf(text) {
  const values = text.split(" ");
  return values.length > FIRST_VALUES ? `${values.slice(0, FIRST_VALUES).join("  ")}  …` : values.join("  ");
}

/**
 * @param {number} number
 * @returns {string}
 */
function count(number) {
  return number.toLocaleString("en");
}
