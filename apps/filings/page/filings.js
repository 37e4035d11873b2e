import { findElement } from "../../page/find-element.js";
import { ask } from "../../page/ask.js";
import { createJobCard } from "./job-card.js";

/** Jobs that go on are looked at more often. */
const LOOK_MS = { open: 1_000, idle: 4_000 };

const buttons = findElement("#create", HTMLDivElement);
const said = findElement("#said", HTMLParagraphElement);
const none = findElement("#none", HTMLParagraphElement);
const list = findElement("#jobs", HTMLUListElement);

/** @type {Map<string, import("./job-card.js").JobCard>} */
const cards = new Map();
/** @type {number | undefined} */
let next;

buttons.addEventListener("click", (event) => {
  const button = event.target instanceof HTMLButtonElement ? event.target : undefined;
  if (button) void create(Number(button.dataset["jobs"]));
});

/** @param {number} count */
async function create(count) {
  for (const button of buttons.querySelectorAll("button")) button.disabled = true;
  said.textContent = "Asking the registry …";
  try {
    const { message } = await ask("/create-job", { method: "POST", body: { num_jobs: count } });
    said.textContent = `${message}.`;
  } catch (error) {
    said.textContent = error instanceof Error ? error.message : String(error);
  }
  for (const button of buttons.querySelectorAll("button")) button.disabled = false;
  await look();
}

async function look() {
  clearTimeout(next);
  let isOpen = false;
  try {
    const { jobs } = await ask("/jobs");
    isOpen = show(jobs);
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
function show(jobs) {
  none.hidden = jobs.length > 0;
  for (const job of jobs.toReversed()) {
    const card = cards.get(job.jobId);
    if (card) card.update(job);
    else {
      const made = createJobCard(job);
      cards.set(job.jobId, made);
      list.prepend(made.element);
    }
  }
  return jobs.some(({ jobStatus }) => jobStatus !== "completed" && jobStatus !== "failed");
}

void look();
