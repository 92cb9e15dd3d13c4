// The state that the server told last, who wants to know of it, and the line of answers that are being saved.

import {get, post} from "./api.js";

export const store = {state: null, saving: 0};
const listeners = [];

export function onState(listener) {
  listeners.push(listener);
  if (store.state) listener(store.state);
}

const savedListeners = [];

export function onSaved(listener) {
  savedListeners.push(listener);
}

export function takeState(state) {
  if (store.state && state.version < store.state.version) return; // an older answer came late
  store.state = state;
  for (const listener of listeners) listener(state);
}

export async function refresh() {
  takeState(await get("state"));
}

let line = Promise.resolve();

// Saves one after the other, in the order of the answers.
export function save(name, body) {
  store.saving += 1;
  const mine = line.then(() => post(name, body)).then((found) => {
    takeState(found.state ?? found);
    for (const listener of savedListeners) listener();
    return found;
  });
  line = mine.catch(() => {}).then(() => { store.saving -= 1; });
  return mine;
}

// When all answers so far are saved.
export const idle = () => line;

export function classColor(name) {
  const place = store.state.classes.findIndex((one) => one.name === name);
  return place < 0 ? "var(--soft)" : `var(--series-${(place % 8) + 1})`;
}
