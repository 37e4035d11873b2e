import { makeElement } from "../../page/make-element.js";
import { ask } from "../../page/ask.js";

/**
 * @typedef {object} Job
 * @property {string} jobId
 * @property {string} cin
 * @property {string} companyName
 * @property {"pending" | "processing" | "in_progress" | "completed" | "failed"} jobStatus
 * @property {number} progress
 * @property {{ documentDownload: { totalDocuments: number, downloadedDocuments: number } }} processingStages
 */

/**
 * What a person sees of one job.
 *
 * @typedef {object} JobCard
 * @property {HTMLLIElement} element
 * @property {(job: Job) => void} update
 */

const WORDS = {
  pending: "waiting for a run",
  processing: "a run begins",
  in_progress: "collecting",
  completed: "completed",
  failed: "failed",
};

/**
 * @param {Job} job
 * @returns {JobCard}
 */
export function createJobCard(job) {
  const state = makeElement("span", { class: "job-state quiet" });
  const bar = makeElement("progress", { max: 100, value: 0, "aria-label": `Progress of ${job.companyName}` });
  const summary = makeElement("summary", {}, "Documents");
  const documents = makeElement("ul", { class: "document-list" });
  const details = makeElement("details", { class: "documents" }, summary, documents);
  const element = makeElement(
    "li",
    { class: "card" },
    makeElement("div", { class: "job-head" }, makeElement("h3", {}, job.companyName), state),
    makeElement("p", { class: "cin quiet" }, job.cin),
    bar,
    details,
  );
  let shown = -1;
  let there = 0;

  /** @param {Job} now */
  function update(now) {
    const { downloadedDocuments, totalDocuments } = now.processingStages.documentDownload;
    there = downloadedDocuments;
    bar.value = now.progress;
    state.textContent = `${WORDS[now.jobStatus]} · ${Math.floor(now.progress)} %`;
    state.className = `job-state ${{ completed: "good", failed: "bad" }[/** @type {string} */ (now.jobStatus)] ?? "quiet"}`;
    summary.textContent = `${downloadedDocuments} of ${totalDocuments} documents`;
    if (details.open) void showDocuments();
  }

  async function showDocuments() {
    if (shown === there) return;
    shown = there;
    const { documents: found } = await ask(`/jobs/${job.jobId}/documents`);
    documents.replaceChildren(...found.map(documentEntry));
  }

  details.addEventListener("toggle", () => {
    if (details.open) showDocuments().catch(() => (shown = -1));
  });

  update(job);
  return { element, update };
}

/**
 * The link is to this app, which serves every text: a container may be private.
 *
 * @param {{ jobId: string, documentNumber: number, documentType: string, fileName: string }} document
 */
function documentEntry({ jobId, documentNumber, documentType, fileName }) {
  const link = makeElement("a", { href: `/documents/jobs/${jobId}/${fileName}` }, fileName);
  return makeElement("li", {}, `${documentNumber}. ${documentType} `, link);
}
