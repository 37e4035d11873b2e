import { findElement } from "../../page/find-element.js";
import { createCard } from "./card.js";
import { remember, remembered } from "./remember.js";
import { sendPhoto } from "./send-photo.js";

/** Uploads at once: enough to fill a line, few enough that the first photos are done soon. */
const AT_ONCE = 3;
const POLL_MS = 400;

const form = findElement("#choose", HTMLFormElement);
const input = findElement("#photos", HTMLInputElement);
const results = findElement("#results", HTMLUListElement);
const said = findElement("#said", HTMLParagraphElement);

/** @type {(() => Promise<void>)[]} */
const waiting = [];
let running = 0;

input.addEventListener("change", () => {
  take(input.files);
  // The same photo can be chosen again.
  input.value = "";
});
form.addEventListener("dragover", (event) => {
  event.preventDefault();
  form.classList.add("over");
});
form.addEventListener("dragleave", () => form.classList.remove("over"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  take(event.dataTransfer?.files ?? null);
});

for (const { fileId, name } of remembered()) {
  const card = createCard(name);
  results.prepend(card.element);
  card.waiting();
  void watch(fileId, card);
}

/** @param {FileList | null} photos */
function take(photos) {
  for (const photo of photos ?? []) {
    const card = createCard(photo.name);
    results.prepend(card.element);
    waiting.push(() => follow(photo, card));
  }
  startNext();
}

function startNext() {
  while (running < AT_ONCE) {
    const next = waiting.shift();
    if (next === undefined) return;
    running++;
    void next().finally(() => {
      running--;
      startNext();
    });
  }
}

/**
 * Resolves when the photo has been sent; how it goes on is shown in its card.
 *
 * @param {File} photo
 * @param {import("./card.js").Card} card
 */
async function follow(photo, card) {
  try {
    const fileId = await sendPhoto(photo, (fraction) => card.sending(fraction));
    remember({ fileId, name: photo.name });
    card.waiting();
    void watch(fileId, card);
  } catch (error) {
    tellFailure(card, error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} fileId
 * @param {import("./card.js").Card} card
 */
async function watch(fileId, card) {
  for (;;) {
    const stage = await stageOf(fileId);
    if (stage === "COMPLETION STAGE") {
      card.done(`/thumbnail/${fileId}`);
      said.textContent = `The thumbnail of ${card.name} is ready.`;
      return;
    }
    if (stage === "ID NOT FOUND !!") return tellFailure(card, "It is no longer kept.");
    if (stage === "FAILED STAGE") {
      tellFailure(card, (await reasonOf(fileId)) ?? "No thumbnail could be made of this file.");
      return;
    }
    if (stage === "PROCESSING STAGE") card.working();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * @param {import("./card.js").Card} card
 * @param {string} reason
 */
function tellFailure(card, reason) {
  card.failed(reason);
  said.textContent = `${card.name}: ${reason}`;
}

/**
 * Undefined where there is no answer for now: the next look may have one.
 *
 * @param {string} fileId
 * @returns {Promise<string | undefined>}
 */
async function stageOf(fileId) {
  try {
    const answer = await fetch(`/queryFileStatus/${fileId}`);
    return (await answer.json()).result;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} fileId
 * @returns {Promise<string | undefined>}
 */
async function reasonOf(fileId) {
  try {
    return (await (await fetch(`/thumbnail/${fileId}`)).json()).reason;
  } catch {
    return undefined;
  }
}
