// Starts the page: images come by a button, by dropping, or by pasting, and each gets a card.

import {get} from "./api.js";
import {Card} from "./cards.js";
import {announce, by, counted} from "./dom.js";
import {filesOf} from "./files.js";
import {add, forget, goOn, onTrouble} from "./line.js";
import {pictureOf} from "./pictures.js";
import {hideTrouble, showTrouble, startTrouble} from "./trouble.js";

const SHOWN = 12; // classes
const ready = get("model");
let all = 0;
let done = 0;
let failed = 0;

function tell() {
  const faults = failed ? `, ${failed.toLocaleString("en-US")} without an answer` : "";
  const said = done < all ? `${done.toLocaleString("en-US")} of ${counted(all, "image")}${faults}` : `${counted(all, "image")}${faults}`;
  by("count").textContent = all ? said : "";
  by("clear").disabled = all === 0;
  if (all && done === all) announce(`Done: ${said}`);
}

async function take(files) {
  if (!files.length) return;
  const model = await ready.catch((error) => showTrouble(error, () => location.reload()));
  if (!model) return;
  hideTrouble();
  const cards = files.map((file) => new Card(file.name));
  by("results").prepend(...cards.map((card) => card.element));
  all += files.length;
  tell();
  add(files.map((file, place) => ({file, largest: model.largest_request, take: (found, signal) => show(cards[place], file, found, signal)})));
}

async function show(card, file, found, signal) {
  done += 1;
  if (found.error) {
    failed += 1;
    card.fail(found.error);
  } else {
    card.show(found);
  }
  tell();
  if (!found.error) card.draw(await pictureOf(file, signal));
}

function clear() {
  forget();
  all = done = failed = 0;
  by("results").replaceChildren();
  hideTrouble();
  tell();
  announce("Cleared");
  by("choose").focus();
}

function startInputs() {
  by("choose").addEventListener("click", () => by("files").click());
  by("files").addEventListener("change", () => {
    take([...by("files").files]);
    by("files").value = ""; // so that the same files can be chosen again
  });
  by("clear").addEventListener("click", clear);
  const mark = (on) => by("drop").classList.toggle("over", on);
  addEventListener("dragover", (event) => { event.preventDefault(); mark(true); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(false); });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    mark(false);
    take(await filesOf(event.dataTransfer));
  });
  addEventListener("paste", async (event) => {
    const files = await filesOf(event.clipboardData);
    files.length ? take(files) : announce("There is no image to paste");
  });
}

function describe(model) {
  const names = model.classes.slice(0, SHOWN).map((name) => Object.assign(document.createElement("bdi"), {textContent: name}));
  const more = model.classes.length - names.length;
  by("model").replaceChildren("Classes: ", ...names.flatMap((name, place) => (place ? [", ", name] : [name])), more ? `, and ${counted(more, "more", "more")}` : "");
}

async function start() {
  startTrouble();
  startInputs();
  onTrouble((error) => showTrouble(error, goOn));
  try {
    describe(await ready);
    by("choose").focus();
  } catch (error) {
    showTrouble(error, () => location.reload());
  }
}

start();
