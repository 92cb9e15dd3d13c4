// The line of files that wait for an answer: a few are asked about at a time, in order, and none is forgotten.

import {ask, Trouble} from "./api.js";

const AT_ONCE = 6;
const waiting = [];
let busy = 0;
let stopped = new AbortController();
let listener = null; // gets a Trouble that ends the work until `goOn` is called

export function onTrouble(found) {
  listener = found;
}

// Asks about files; `take(answer)` gets each answer, of which `error` is the reason if there is no class.
export function add(jobs) {
  waiting.push(...jobs);
  goOn();
}

export function goOn() {
  while (busy < AT_ONCE && waiting.length) work(waiting.shift(), stopped.signal);
}

export function forget() {
  waiting.length = 0;
  stopped.abort();
  stopped = new AbortController();
}

async function work(job, signal) {
  busy += 1;
  try {
    const found = await answer(job, signal);
    if (!signal.aborted) job.take(found, signal);
  } catch (error) {
    if (signal.aborted) return;
    waiting.unshift(job);
    listener(error);
    return;
  } finally {
    busy -= 1;
  }
  goOn();
}

async function answer({file, largest}, signal) {
  if (file.size > largest) return {error: `has ${file.size.toLocaleString("en-US")} bytes, more than ${largest.toLocaleString("en-US")} are refused`};
  let body;
  try {
    body = await file.arrayBuffer();
  } catch {
    return {error: "cannot be read: it was moved or changed, or it is a folder"};
  }
  return predicted(body, signal);
}

async function predicted(body, signal) {
  const headers = {"Content-Type": "application/octet-stream"};
  for (;;) {
    try {
      const found = await (await ask("/api/predict", {method: "POST", headers, body, signal})).json();
      return found.predictions[0];
    } catch (error) {
      if (!(error instanceof Trouble) || error.status !== 503) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * (error.wait || 1))); // the server is full
      if (signal.aborted) throw error;
    }
  }
}
