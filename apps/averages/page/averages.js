import { findElement } from "../../page/find-element.js";
import { ask } from "../../page/ask.js";
import { createJobCard } from "./job-card.js";

/** Jobs that go on are looked at more often. */
const LOOK_MS = { open: 500, idle: 3_000 };

const form = findElement("#order", HTMLFormElement);
const workers = findElement("#workers", HTMLInputElement);
const files = findElement("#files", HTMLInputElement);
const entries = findElement("#entries", HTMLInputElement);
const said = findElement("#said", HTMLParagraphElement);
const none = findElement("#none", HTMLParagraphElement);
const list = findElement("#jobs", HTMLUListElement);

/** @type {Map<string, import("./job-card.js").JobCard>} */
const cards = new Map();
/** @type {number | undefined} */
let next;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void start();
});

async function start() {
  try {
    if (workers.value !== workers.dataset["is"]) {
      const { message } = await ask("/workers", { method: "POST", body: { noOfWorkers: workers.valueAsNumber } });
      workers.dataset["is"] = workers.value;
      say(`${message}.`);
    }
    const body = { noOfFiles: files.valueAsNumber, noOfEntriesPerFile: entries.valueAsNumber };
    await ask("/jobs", { method: "POST", body });
    say("The job has begun.");
    await look();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
}

async function look() {
  clearTimeout(next);
  let isOpen = false;
  try {
    const [jobs, figures] = await Promise.all([ask("/jobs?paths=none"), ask("/workers/metrics")]);
    isOpen = showJobs(jobs);
    showFigures(figures);
  } catch {
    // The next look may find the app again.
  }
  clearTimeout(next);
  next = setTimeout(look, isOpen ? LOOK_MS.open : LOOK_MS.idle);
}

/**
 * Newest first, as they come. Gives whether some go on.
 *
 * @param {import("./job-card.js").Job[]} jobs
 */
function showJobs(jobs) {
  none.hidden = jobs.length > 0;
  const there = new Set(jobs.map((job) => job._id));
  for (const [id, card] of cards) {
    if (there.has(id)) continue;
    card.element.remove();
    cards.delete(id);
  }
  for (const job of jobs.toReversed()) {
    const card = cards.get(job._id);
    if (card) card.update(job);
    else {
      const made = createJobCard(job, say);
      cards.set(job._id, made);
      list.prepend(made.element);
    }
  }
  return jobs.some(({ status }) => status !== "Completed" && status !== "Failed");
}

/** @param {{ noOfJobsInQueue: number, noOfTasksInQueue: number, noOfIdleProcesses: number, noOfBusyProcesses: number }} figures */
function showFigures({ noOfJobsInQueue, noOfTasksInQueue, noOfIdleProcesses, noOfBusyProcesses }) {
  const figures = { busy: noOfBusyProcesses, idle: noOfIdleProcesses, "jobs-waiting": noOfJobsInQueue, "tasks-waiting": noOfTasksInQueue };
  for (const [id, figure] of Object.entries(figures)) findElement(`#${id}`, HTMLElement).textContent = figure.toLocaleString("en");
  if (workers.dataset["is"] !== undefined) return;
  workers.value = String(noOfIdleProcesses + noOfBusyProcesses);
  workers.dataset["is"] = workers.value;
}

/** @param {string} text */
function say(text) {
  said.textContent = text;
}

void look();
