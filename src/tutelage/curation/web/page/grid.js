// A grid of images that get a class together. Images can be taken out, or be given another class.

import {get} from "./api.js";
import {announce, counted, make, percent} from "./dom.js";
import {addStep} from "./history.js";
import {small} from "./pictures.js";
import {classColor, save} from "./store.js";
import {showTrouble} from "./trouble.js";

export class Grid {
  // saved(answers, takenOut) is called once the server has the answers.
  constructor(container, {saved}) {
    this.container = container;
    this.saved = saved;
    this.tiles = [];
    this.heading = make("p", {className: "grid-heading"});
    this.confirmButton = make("button", {type: "button", className: "main"});
    this.confirmButton.addEventListener("click", () => this.confirm());
    this.allButton = make("button", {type: "button"});
    this.allButton.addEventListener("click", () => this.toggleAll());
    this.bar = make("div", {className: "grid-bar"}, this.heading, this.allButton, this.confirmButton);
    this.list = make("ul", {className: "grid"});
    this.list.addEventListener("keydown", (event) => this.move(event));
    container.replaceChildren(this.bar, this.list);
  }

  // How many images fit without scrolling.
  capacity() {
    const {left, right, top} = this.list.getBoundingClientRect();
    const phone = innerWidth < 820;
    const [least, gap] = phone ? [96, 8] : [132, 10];
    const columns = Math.max(2, Math.floor((right - left - 6 + gap) / (least + gap)));
    const tile = (right - left - 6 + gap) / columns;
    const bar = this.tiles.length ? 0 : 70; // the buttons are not there yet
    const rows = Math.floor((innerHeight - top - scrollY - bar - 6) / tile);
    return Math.min(96, columns * Math.max(2, rows));
  }

  show(items, className, heading) {
    this.className = className;
    this.heading.textContent = heading;
    this.tiles = items.map((item, place) => this.tile(item, place));
    this.list.replaceChildren(...this.tiles.map((tile) => make("li", {}, tile.button)));
    this.bar.classList.toggle("empty", items.length === 0);
    this.describe();
  }

  tile(item, place) {
    const image = make("img", {alt: ""});
    image.onload = () => image.classList.toggle("tiny", image.naturalWidth <= 64);
    small(item.index, 148).then((source) => { image.src = source; }).catch(() => { image.alt = "cannot be read"; });
    const mark = make("span", {className: "tile-mark"});
    const button = make("button", {type: "button", className: "tile", tabIndex: place === 0 ? 0 : -1}, image, mark);
    const tile = {item, button, mark, label: this.className};
    button.title = item.name;
    button.addEventListener("click", () => {
      this.setLabel(tile, tile.label === null ? this.className : null);
      this.focus(this.tiles.indexOf(tile));
    });
    button.addEventListener("pointerenter", () => { this.pointed = tile; });
    button.addEventListener("pointerleave", () => { this.pointed = null; });
    this.mark(tile);
    return tile;
  }

  setLabel(tile, label) {
    tile.label = label;
    this.mark(tile);
    this.describe();
  }

  mark(tile) {
    const {item, button, mark, label} = tile;
    button.setAttribute("aria-pressed", String(label !== null));
    const sure = item.confidence === null ? "" : `, ${percent(item.confidence)}`;
    button.setAttribute("aria-label", `${item.name}${sure}: ${label ?? "taken out"}`);
    button.classList.toggle("out", label === null);
    button.classList.toggle("other", label !== null && label !== this.className);
    button.style.setProperty("--class", label === null ? "var(--rule)" : classColor(label));
    const short = label === this.className ? (item.confidence === null ? "✓" : percent(item.confidence)) : label ?? "✕";
    mark.replaceChildren(make("bdi", {textContent: short}));
  }

  describe() {
    const kept = this.tiles.filter((tile) => tile.label !== null);
    const others = new Set(kept.map((tile) => tile.label));
    others.delete(this.className);
    const kinds = others.size ? ` (${kept.filter((tile) => tile.label !== this.className).length} of other classes)` : "";
    const what = kept.length ? `Confirm ${counted(kept.length, "image")}: ` : "None of these is ";
    this.confirmButton.replaceChildren(what, make("bdi", {textContent: this.className ?? ""}), kinds, " ");
    this.confirmButton.append(make("kbd", {textContent: "Enter"}));
    this.confirmButton.disabled = false;
    this.allButton.textContent = kept.length ? "Take all out" : "Take all in";
  }

  toggleAll() {
    const label = this.tiles.some((tile) => tile.label !== null) ? null : this.className;
    for (const tile of this.tiles) this.setLabel(tile, label);
  }

  // A key of a class, for the image under the pointer, or the one in focus.
  give(label) {
    const tile = this.pointed ?? this.tiles.find((one) => one.button === document.activeElement);
    if (tile) this.setLabel(tile, label);
    return Boolean(tile);
  }

  focus(place) {
    const tile = this.tiles[place];
    if (!tile) return;
    for (const one of this.tiles) one.button.tabIndex = one === tile ? 0 : -1;
    tile.button.focus();
  }

  move(event) {
    const place = this.tiles.findIndex((tile) => tile.button === event.target);
    if (place < 0) return;
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns};
    const to = event.key === "Home" ? 0 : event.key === "End" ? this.tiles.length - 1 : place + (steps[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.pointed = null; // keys follow what moved last
    this.focus(Math.min(Math.max(to, 0), this.tiles.length - 1));
  }

  async confirm() {
    const kept = this.tiles.filter((tile) => tile.label !== null);
    if (!this.tiles.length || this.busy) return;
    this.busy = true;
    this.confirmButton.disabled = true;
    const out = this.tiles.filter((tile) => tile.label === null).map((tile) => tile.item.index);
    const answers = kept.map((tile) => [tile.item.index, tile.label, tile.item.label ?? null]);
    const entry = addStep({images: kept.length, out: out.length, label: this.className});
    try {
      await save("answers", {answers, out, class: this.className});
      announce(`Saved: ${counted(kept.length, "image")}.`);
      this.saved(answers, out);
    } catch (error) {
      const again = error.status === 0 || error.status >= 500 ? () => this.confirm() : null;
      showTrouble(error, again, "Not saved. ");
      if (error.status === 409) this.saved([], []);
    } finally {
      entry.drop();
      this.busy = false;
      this.describe();
    }
  }
}

// The images of these numbers, as a grid wants them.
export function itemsOf(indexes) {
  return indexes.length ? get("items", {indexes: indexes.join(",")}) : Promise.resolve([]);
}
