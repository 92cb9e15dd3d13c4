// Starts the page, switches between its views, and gives each key its meaning.

import {startDialogs, keysOn, openEditClass, openNewClass} from "./dialogs.js";
import {by} from "./dom.js";
import {forgetTakenOut, groupGrid, openGroup, startGroups} from "./groups.js";
import {startHistory} from "./history.js";
import {closeRegion, openMap, regionGrid, startMap} from "./map.js";
import {answer, back, forward, lookAgain, showIndex, startSingle, undo} from "./single.js";
import {startStatus} from "./status.js";
import {onSaved, refresh, store} from "./store.js";
import {hideTrouble, showTrouble, startTrouble} from "./trouble.js";

const VIEWS = ["single", "groups", "map"];
let view = "single";

function showView(name, focus = false) {
  view = name;
  for (const one of VIEWS) {
    const tab = by(`tab-${one}`);
    by(one).hidden = one !== name;
    tab.setAttribute("aria-selected", String(one === name));
    tab.tabIndex = one === name ? 0 : -1;
    if (focus && one === name) tab.focus();
  }
  if (name === "groups") openGroup();
  if (name === "map") openMap();
}

const step = (by_) => showView(VIEWS[(VIEWS.indexOf(view) + by_ + VIEWS.length) % VIEWS.length], true);

function startTabs() {
  for (const name of VIEWS) by(`tab-${name}`).addEventListener("click", () => (name === "map" && regionGrid() ? closeRegion() : showView(name)));
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    step(event.key === "ArrowLeft" ? -1 : 1);
  });
}

async function undoHere() {
  if (store.state.last[0]?.out) forgetTakenOut();
  await undo();
  if (view === "groups") openGroup();
  if (view === "map") openMap();
}

const grid = () => (view === "groups" ? groupGrid() : view === "map" ? regionGrid() : null);

const onMap = () => view === "map" && !regionGrid(); // there, these keys size the circle

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
  if (act(event)) event.preventDefault();
}

// Whether the key meant something.
function act(event) {
  const {key, target} = event;
  const onButton = target.closest("button, summary, a") !== null;
  const onTab = target.closest("[role=tab]") !== null;
  if (key === "Enter" && grid() && (!onButton || onTab || target.closest(".tile"))) return grid().confirm(), true;
  if (onButton && !onTab && (key === "Enter" || key === " ")) return false;
  if (key === "Backspace") return undoHere(), true;
  if (view === "single" && key === "ArrowLeft") return back(), true;
  if (view === "single" && key === "ArrowRight") return forward(), true;
  if (key === "Escape" && view === "map" && regionGrid()) return closeRegion(), true;
  if (!keysOn()) return false;
  if (key === "[" || key === "]") return step(key === "[" ? -1 : 1), true;
  if (key === "?") return by("help").showModal(), true;
  if (key === "+" && !onMap()) return openNewClass(), true;
  if (key === "-" && !onMap() && store.state.classes.length) return openEditClass(), true;
  if (key === " " && view === "single") return answer(null), true;
  const found = store.state?.classes.find((one) => one.key === key.toLowerCase());
  if (!found) return false;
  if (view === "single") return answer(found.name), true;
  return grid()?.give(found.name) ?? false;
}

async function watch() {
  const busy = store.state.training && !store.state.training.done && !store.state.training.failed;
  setTimeout(async () => {
    if (!document.hidden && !store.saving) await refresh().catch(() => {});
    watch();
  }, busy ? 1500 : 5000);
}

async function start() {
  startTrouble();
  onSaved(hideTrouble); // what went wrong before is over
  startTabs();
  startStatus();
  startDialogs(() => lookAgain().catch((error) => showTrouble(error, null)));
  startHistory(async (index) => {
    showView("single");
    await showIndex(index).catch((error) => showTrouble(error, null));
  });
  startGroups(() => showView("single"));
  startMap();
  document.addEventListener("keydown", onKey);
  addEventListener("beforeunload", (event) => { if (store.saving) event.preventDefault(); });
  try {
    await refresh();
    await startSingle();
    by("classes").children.length > 1 ? by("stage").focus() : openNewClass();
    watch();
  } catch (error) {
    showTrouble(error, () => location.reload());
  }
}

start();
