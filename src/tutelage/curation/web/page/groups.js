// Groups: the images that the model takes for one class, surest first.

import {get} from "./api.js";
import {ClassButtons} from "./classes.js";
import {by, counted, make} from "./dom.js";
import {Grid, itemsOf} from "./grid.js";
import {askFirst} from "./single.js";
import {store} from "./store.js";
import {showTrouble} from "./trouble.js";

let chosen = null;
let grid = null;
let buttons = null;
let takenOut = []; // of each group that was confirmed, what was clicked out

export function startGroups(showSingle) {
  buttons = new ClassButtons(by("group-classes"), {pick: openGroup, chosen: () => chosen});
  grid = new Grid(by("group-grid"), {saved: (answers, out) => {
    if (out.length) takenOut.push(out);
    openGroup(null, true);
  }});
  const one = make("button", {type: "button", id: "ask-out", hidden: true});
  one.addEventListener("click", () => {
    const indexes = takenOut.flat();
    takenOut = [];
    showSingle();
    askFirst(indexes);
  });
  grid.bar.after(one);
}

export const groupGrid = () => grid;

// After undo: a step with images that were clicked out is taken back.
export function forgetTakenOut() {
  takenOut.pop();
}

export async function openGroup(name = null, focus = false) {
  const classes = store.state.classes;
  const known = classes.some((one) => one.name === (name ?? chosen));
  const most = classes.reduce((best, one) => (one.model > (best?.model ?? -1) ? one : best), null);
  chosen = known ? name ?? chosen : most?.name ?? null;
  buttons.show();
  if (chosen === null) return grid.show([], null, "There is no class yet. Label a few images one by one first.");
  try {
    const group = await get("group", {class: chosen, start: 0, count: grid.capacity()});
    await dropAnswered();
    grid.show(group.items, chosen, heading(group));
    if (focus) grid.focus(0);
  } catch (error) {
    showTrouble(error, () => openGroup(name));
  }
}

function heading(group) {
  if (!store.state.classes.some((one) => one.model)) return "The model has nothing to go by yet. Label a few images one by one first.";
  if (!group.items.length) return `There is no image left that the model takes for ${group.class}.`;
  const all = group.total > group.items.length ? `the ${group.items.length} surest of ` : "";
  return `${all}${counted(group.total, "image")} that the model takes for ${group.class}. Click the wrong ones out.`;
}

// Images that were clicked out, and have an answer by now, are not asked about again.
async function dropAnswered() {
  const open = new Set();
  for (const out of takenOut) for (const item of await itemsOf(out)) if (!item.answered) open.add(item.index);
  takenOut = takenOut.map((out) => out.filter((index) => open.has(index)));
  const one = by("ask-out");
  one.hidden = open.size === 0;
  one.textContent = `Label the ${counted(open.size, "image")} you took out, one by one`;
}
