// The list of the last answers, each marked as saved once the server said so.

import {small} from "./pictures.js";
import {by, classColor, make} from "./store.js";

const MOST = 5;

export function addAnswer(item, label, open) {
  const image = make("img", {alt: "", width: 40, height: 40});
  small(item.index, 40).then((source) => { image.src = source; }).catch(() => {});
  const mark = make("span", {className: "mark", textContent: "saving"});
  const swatch = make("i", {className: "swatch"});
  swatch.style.background = classColor(label);
  const name = make("bdi", {textContent: label ?? "not sure"});
  const button = make("button", {type: "button"}, image, swatch, name, mark);
  button.addEventListener("click", open);
  return put(make("li", {}, button), mark);
}

export function addGroup(count, label) {
  const mark = make("span", {className: "mark", textContent: "saving"});
  const name = make("bdi", {textContent: label});
  const swatch = make("i", {className: "swatch"});
  swatch.style.background = classColor(label);
  const images = count === 1 ? "1 image: " : `${count} images: `;
  return put(make("li", {}, make("p", {}, images, swatch, name, mark)), mark);
}

function put(row, mark) {
  by("none-yet").hidden = true;
  by("history").prepend(row);
  while (by("history").children.length > MOST) by("history").lastElementChild.remove();
  return {
    saved() { mark.textContent = "saved"; row.classList.add("saved"); },
    failed() { row.remove(); },
  };
}

export function dropAnswer() {
  by("history").firstElementChild?.remove();
}
