// The card of one image: what is known of it so far.

import {make} from "./dom.js";

const MOST_BARS = 5;
const TINY = 100; // pixels; smaller pictures are shown with their pixels

function exact(share) {
  return share >= 0.9995 ? ">99.9%" : share < 0.0005 ? "<0.1%" : `${(100 * share).toFixed(1)}%`;
}

// Names come from outside: they are text, in their own direction.
const isolated = (text, title = text) => make("bdi", {textContent: text, title});

export class Card {
  constructor(name) {
    this.name = name;
    this.frame = make("div", {className: "frame"}, make("p", {textContent: "Waiting"}));
    this.said = make("div", {className: "said"}, make("h3", {}, isolated(name)));
    this.element = make("li", {className: "card result"}, this.frame, this.said);
    this.element.ariaBusy = "true";
  }

  show({label, confidence, probabilities}) {
    const best = make("p", {className: "best"}, make("b", {}, isolated(label)), make("span", {textContent: exact(confidence)}));
    const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, MOST_BARS);
    this.#finish(best, make("ol", {className: "bars", ariaLabel: "Most probable classes"}, ...ranked.map(bar)));
    this.frame.replaceChildren(make("p", {textContent: "Loading the picture"}));
  }

  fail(reason) {
    this.element.classList.add("failed");
    this.#finish(make("p", {className: "why", textContent: `This file ${reason}.`}));
    this.frame.replaceChildren(make("p", {textContent: "No answer"}));
  }

  // `picture` is an address; null if there is none.
  draw(picture) {
    const image = picture === null ? make("p", {textContent: "No picture"}) : make("img", {alt: `Picture of ${this.name}`, src: picture});
    image.addEventListener("load", () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) < TINY));
    this.frame.replaceChildren(image);
  }

  #finish(...parts) {
    this.element.ariaBusy = "false";
    this.said.append(...parts);
  }
}

function bar([name, share]) {
  const fill = make("span");
  fill.style.width = `${100 * share}%`;
  const track = make("span", {className: "track", ariaHidden: "true"}, fill);
  return make("li", {}, isolated(name), track, make("span", {className: "share", textContent: exact(share)}));
}
