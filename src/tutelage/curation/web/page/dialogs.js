// The windows: keys, a new class, a change of a class, a training, an export.

import {post} from "./api.js";
import {announce, by, counted, make} from "./dom.js";
import {refresh, save, store} from "./store.js";

let changed = null;

// onChange() is called when a class was renamed or removed.
export function startDialogs(onChange) {
  changed = onChange;
  by("open-help").addEventListener("click", () => by("help").showModal());
  by("open-train").addEventListener("click", () => open("train"));
  by("open-export").addEventListener("click", () => open("export"));
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  const keys = by("keys-on");
  keys.checked = localStorage.getItem("tutelage-keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("tutelage-keys", keys.checked ? "on" : "off"));
  submits("new-class", async () => {
    await save("class", {name: by("new-class-name").value});
    by("new-class").close();
  });
  by("edit-class-old").addEventListener("change", describeClass);
  by("edit-class-name").addEventListener("input", describeRename);
  submits("edit-class", () => changeClass("rename", {to: by("edit-class-name").value}));
  acts("edit-class", by("remove-class"), () => changeClass("remove", {}));
  submits("train", async () => {
    const budget = by("budget").value;
    await post("train", budget ? {budget} : {});
    by("train").close();
    await refresh();
  });
  submits("export", async () => {
    const kind = new FormData(by("export-form")).get("kind");
    const wanted = {kind, links: by("links").checked, model: by("with-model").checked};
    const {written, images} = await post("export", wanted);
    by("export").querySelector(".done").textContent = `Written: ${written}, beside the label table, with ${counted(images, "label")}.`;
  });
}

export const keysOn = () => by("keys-on").checked;

export function openNewClass() {
  by("new-class-name").value = "";
  open("new-class");
}

export function openEditClass() {
  by("edit-class-old").replaceChildren(...store.state.classes.map((one) => make("option", {value: one.name, textContent: one.name})));
  describeClass();
  open("edit-class");
}

const edited = () => store.state.classes.find((one) => one.name === by("edit-class-old").value);

function describeClass() {
  by("edit-class-name").value = edited().name;
  describeRename();
}

function describeRename() {
  const {name, human} = edited();
  const to = by("edit-class-name").value.trim();
  const labels = human ? `the ${counted(human, "label")} of this class` : "no label";
  const merged = to !== name && store.state.classes.some((one) => one.name === to);
  by("edit-class-what").textContent = merged
    ? `There is a class of this name: renaming makes one class of both. Undo takes it back.`
    : `Removing takes ${labels} away, and the images are asked about again. Undo takes either back.`;
}

async function changeClass(what, more) {
  const {name} = edited();
  await save(what, {name, ...more});
  by("edit-class").close();
  changed();
  announce(what === "remove" ? `The class ${name} is removed.` : `The class ${name} is now ${more.to.trim()}.`);
}

function open(id) {
  for (const line of by(id).querySelectorAll(".fault, .done")) line.textContent = "";
  by(id).showModal();
}

function submits(id, act) {
  acts(id, by(id).querySelector("[type=submit]"), act, by(`${id}-form`), "submit");
}

function acts(id, button, act, element = button, event = "click") {
  const fault = by(id).querySelector(".fault");
  element.addEventListener(event, async (happened) => {
    happened.preventDefault();
    for (const line of by(id).querySelectorAll(".fault, .done")) line.textContent = "";
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      fault.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}
