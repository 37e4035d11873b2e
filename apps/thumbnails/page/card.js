import { makeElement } from "../../page/make-element.js";

/**
 * What a person sees of one photo.
 *
 * @typedef {object} Card
 * @property {string} name
 * @property {HTMLLIElement} element
 * @property {(fraction: number) => void} sending 0 to 1
 * @property {() => void} waiting
 * @property {() => void} working
 * @property {(url: string) => void} done
 * @property {(reason: string) => void} failed
 */

/**
 * @param {string} name
 * @returns {Card}
 */
export function createCard(name) {
  const bar = makeElement("progress", { max: 1, value: 0, "aria-label": `Upload of ${name}` });
  const frame = makeElement("div", { class: "frame quiet" }, "…");
  const state = makeElement("div", { class: "state quiet" }, "Waiting to be sent");
  const element = makeElement("li", { class: "card" }, frame, makeElement("div", { class: "name" }, name), state);

  return {
    name,
    element,
    sending(fraction) {
      bar.value = fraction;
      if (!bar.isConnected) state.replaceChildren("Sending", bar);
    },
    waiting: () => state.replaceChildren("Waiting for a worker"),
    working: () => state.replaceChildren("Making the thumbnail"),
    done(url) {
      const image = makeElement("img", { src: url, alt: `Thumbnail of ${name}` });
      const link = makeElement("a", { href: url, download: `${name.replace(/\.[^.]*$/, "")}-500.jpg` }, "Download");
      image.addEventListener("load", () => state.replaceChildren(`${image.naturalWidth} × ${image.naturalHeight} · `, link));
      frame.replaceChildren(image);
    },
    failed(reason) {
      frame.replaceChildren("No thumbnail");
      state.className = "state bad";
      state.replaceChildren(reason);
    },
  };
}
