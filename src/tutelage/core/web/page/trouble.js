// The line at the top that says what went wrong.

import {by} from "./dom.js";

let again = null;

export function startTrouble() {
  by("retry").addEventListener("click", () => {
    const act = again;
    hideTrouble();
    if (act) act();
  });
}

export function showTrouble(error, retry, before = "") {
  again = retry;
  const message = error.message.endsWith(".") || error.message.endsWith("?") ? error.message : error.message + ".";
  by("trouble").querySelector("p").textContent = before + message.charAt(0).toUpperCase() + message.slice(1);
  by("retry").textContent = retry ? "Try again" : "Close";
  by("trouble").hidden = false;
}

export function hideTrouble() {
  by("trouble").hidden = true;
}
