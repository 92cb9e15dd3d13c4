// One image at a time: shows it, saves the answer, and has the next one ready.

import {get} from "./api.js";
import {ClassButtons} from "./classes.js";
import {openEditClass, openNewClass} from "./dialogs.js";
import {announce, by, make, percent} from "./dom.js";
import {addStep} from "./history.js";
import {large} from "./pictures.js";
import {classColor, idle, onState, refresh, save, store} from "./store.js";
import {showTrouble} from "./trouble.js";

const seen = []; // the images that were shown, in order
let place = -1; // of the current one
let ahead = null; // a promise of the next image, its picture loading
let visible = null; // the image whose picture is on the screen: no other one gets an answer
let first = []; // numbers of images to ask for before all others

const current = () => seen[place] ?? null;

export async function startSingle() {
  new ClassButtons(by("classes"), {pick: answer, add: openNewClass, edit: openEditClass});
  for (const [id, act] of [["back", back], ["forward", forward], ["unsure", () => answer(null)], ["undo", undo]]) {
    by(id).addEventListener("click", act);
  }
  by("classes").addEventListener("click", focusStage);
  onState((state) => { by("undo").disabled = state.last.length === 0; });
  await advance();
}

// After a click with a pointer the keys answer again; who uses the keyboard stays at the button.
function focusStage(event) {
  if (event.detail > 0) by("stage").focus({preventScroll: true});
}

// Ask for these images before all others.
export function askFirst(indexes) {
  first = [...indexes, ...first];
  ahead = null;
  return advance();
}

async function fetchNext(after) {
  await idle();
  if (first.length) return (await get("items", {indexes: first.shift()}))[0];
  return get("next", after === null ? {} : {after});
}

// Null where the next image is not known before the current one has its answer.
function prepare() {
  const after = current().index;
  ahead = fetchNext(after).then((item) => (item?.index === after ? null : item)).catch(() => null);
  ahead.then((item) => item && large(item.index));
}

async function advance() {
  if (place < seen.length - 1) {
    place += 1;
    return show();
  }
  const before = current()?.index ?? null;
  const waiting = (await ahead) ? ahead : fetchNext(before);
  ahead = null;
  try {
    const item = await waiting;
    if (item && item.index === before) return show(); // the only one without an answer
    if (item) {
      seen.push({label: null, ...item});
      place = seen.length - 1;
    } else {
      place = seen.length;
    }
    await show();
  } catch (error) {
    showTrouble(error, advance);
  }
}

async function show() {
  const item = current();
  const image = by("large");
  visible = null;
  by("back").disabled = place <= 0;
  by("stage-message").hidden = Boolean(item);
  by("stage").classList.toggle("labeled", Boolean(item?.label));
  image.classList.add("loading");
  if (!item) {
    image.hidden = true;
    by("stage-message").textContent = "Every image has an answer. Look through the groups, or train a model.";
    by("guess").replaceChildren();
    by("name").textContent = by("why").textContent = "";
    return;
  }
  try {
    const source = await large(item.index);
    if (item !== current()) return;
    image.src = source;
    await image.decode();
    image.hidden = false;
  } catch (error) {
    if (item !== current()) return;
    image.hidden = true;
    by("stage-message").hidden = false;
    by("stage-message").textContent = `This image cannot be shown. ${error.message ?? ""}`;
  }
  if (item !== current()) return;
  image.alt = `Image ${item.name}`;
  image.classList.toggle("tiny", image.naturalWidth <= 96);
  image.classList.remove("loading");
  describe(item);
  visible = item;
  if (place === seen.length - 1 && !ahead) prepare();
}

function describe(item) {
  by("name").textContent = item.name;
  by("why").textContent = item.why && !item.label && !item.answered ? `This image: ${item.why}` : "";
  const name = item.label ?? item.guess;
  const swatch = make("i", {className: "swatch"});
  swatch.style.background = classColor(name);
  const text = item.label ? "Labeled " : "The model's guess: ";
  const sure = item.label || item.confidence === null ? "" : ` (${percent(item.confidence)})`;
  by("guess").replaceChildren(...(name ? [text, swatch, make("bdi", {textContent: name}), sure] : ["No guess yet"]));
}

export function answer(label) {
  const item = visible;
  if (!item || item.saving) return;
  visible = null;
  item.saving = true;
  const entry = addStep({index: item.index, images: 1, label});
  const saved = save("answer", {index: item.index, label, was: item.label});
  saved.then(() => {
    Object.assign(item, {label, saving: false, answered: true});
    if (item === visible) show();
    announce(`Saved: ${label ?? "not sure"}. ${store.state.labeled + store.state.settled} of ${store.state.images} images settled.`);
  }).catch((error) => {
    item.saving = false;
    failed(item, label, error);
  }).finally(() => entry.drop());
  advance();
}

async function failed(item, label, error) {
  ahead = null;
  jump(item);
  if (error.status === 409) {
    await refresh().catch(() => {});
    const [now] = await get("items", {indexes: item.index}).catch(() => [item]);
    Object.assign(item, now);
    if (item === current()) show();
  }
  const again = error.status === 0 || error.status >= 500 ? async () => { await jump(item); answer(label); } : null;
  showTrouble(error, again, "Not saved. ");
}

function jump(item) {
  const found = seen.indexOf(item);
  if (found < 0) return null;
  place = found;
  return show();
}

export function back() {
  if (place <= 0) return;
  place -= 1;
  show();
}

export function forward() {
  if (place < seen.length) advance();
}

// Shows an image by its number, wherever it was shown before.
export async function showIndex(index) {
  const known = seen.findLast((item) => item.index === index);
  if (known) return jump(known);
  seen.splice(Math.max(place, 0), 0, (await get("items", {indexes: index}))[0]);
  return show();
}

// Takes from the server what is known of the images that were shown: their labels have changed.
async function look() {
  ahead = null;
  for (const item of seen) item.label = null;
  if (!seen.length) return;
  const items = await get("items", {indexes: seen.slice(-200).map((item) => item.index).join(",")});
  for (const now of items) for (const item of seen) if (item.index === now.index) Object.assign(item, now);
}

// After a class was renamed or removed.
export async function lookAgain() {
  await look();
  await show();
}

// Takes the last answer back, and shows its image.
export async function undo() {
  try {
    const {index} = await save("undo");
    announce(`Undone. ${store.state.labeled + store.state.settled} of ${store.state.images} images settled.`);
    await look();
    await (index === null ? show() : showIndex(index));
  } catch (error) {
    showTrouble(error, null);
  }
}
