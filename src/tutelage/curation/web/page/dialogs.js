// The windows: keys, a new class, a training, an export.

import {post} from "./api.js";
import {by, counted, refresh, save} from "./store.js";

export function startDialogs() {
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
    by("export").querySelector(".done").textContent = `Written: ${written}, beside the label table, with ${counted(images, "image")}.`;
  });
}

export const keysOn = () => by("keys-on").checked;

export function openNewClass() {
  by("new-class-name").value = "";
  open("new-class");
}

function open(id) {
  for (const line of by(id).querySelectorAll(".fault, .done")) line.textContent = "";
  by(id).showModal();
}

function submits(id, act) {
  const fault = by(id).querySelector(".fault");
  const button = by(id).querySelector("[type=submit]");
  by(`${id}-form`).addEventListener("submit", async (event) => {
    event.preventDefault();
    fault.textContent = "";
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
