// The list of the last steps: those that the server has on the disk, and above them those that are being saved.

import {by, counted, make} from "./dom.js";
import {small} from "./pictures.js";
import {classColor, onState, store} from "./store.js";

const MOST = 5;
const waiting = []; // newest first
let open = null;

// show(index) is called with the image that was clicked.
export function startHistory(show) {
  open = show;
  onState(draw);
}

// A step that is being saved: `index` of its image or null, `images`, `out`, `label`, as in the state. It is dropped with `drop`.
export function addStep(step) {
  waiting.unshift(step);
  draw();
  return {
    drop() {
      waiting.splice(waiting.indexOf(step), 1);
      draw();
    },
  };
}

function draw() {
  const saved = store.state.last;
  const rows = [...waiting.map((step) => row(step, "saving")), ...saved.map((step) => row(step, "saved"))];
  by("none-yet").hidden = rows.length > 0;
  by("history").replaceChildren(...rows.slice(0, MOST));
}

function row(step, said) {
  const mark = make("span", {className: "mark", textContent: said});
  const swatch = make("i", {className: "swatch"});
  swatch.style.background = classColor(step.label);
  const label = make("bdi", {textContent: step.label ?? "not sure"});
  return make("li", {className: said}, content(step, swatch, label, mark));
}

function content(step, swatch, label, mark) {
  if (step.changed) {
    const old = make("bdi", {textContent: step.changed});
    return make("p", {}, ...(step.label ? [old, "\u00a0is now\u00a0", label] : [old, "\u00a0is removed"]), mark);
  }
  if (step.index === null || step.index === undefined) {
    const many = step.images ? `${counted(step.images, "image")}:\u00a0` : `${counted(step.out, "image")}, none of them\u00a0`;
    return make("p", {}, many, swatch, label, mark);
  }
  const image = make("img", {alt: "", width: 40, height: 40});
  small(step.index, 40).then((source) => { image.src = source; }).catch(() => {});
  const button = make("button", {type: "button"}, image, swatch, label, mark);
  button.addEventListener("click", () => open(step.index));
  return button;
}
