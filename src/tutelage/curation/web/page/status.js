// The progress: what is settled, how good it is, what is asked next, and a training in the background.

import {by, counted, make, percent} from "./dom.js";
import {onState} from "./store.js";

const number = (value) => value.toLocaleString("en-US");

export function startStatus() {
  onState(show);
}

function show(state) {
  const settled = state.labeled + state.settled;
  by("settled").textContent = number(settled);
  by("of-all").textContent = `of ${counted(state.images, "image")}`;
  by("settled-bar").value = state.images ? settled / state.images : 0;
  const open = state.images - settled - state.unsure;
  const parts = [`${number(state.labeled)} by you`, `${number(state.settled)} the model is sure of`, `${number(open)} open`];
  if (state.unsure) parts.push(`${number(state.unsure)} not sure`);
  by("settled-parts").textContent = parts.join(", ") + ".";
  showEstimate(state.estimate);
  by("confused-box").hidden = state.confused.length === 0;
  by("confused").replaceChildren(...state.confused.slice(0, 5).map(pair));
  by("asking").textContent = state.asking;
  showTraining(state.training);
}

function showEstimate(estimate) {
  const how = by("estimate-how");
  how.hidden = !estimate;
  if (!estimate) {
    by("estimate").textContent = "Not known yet: it takes labels of five images drawn at random. Every fifth question is about one.";
    return;
  }
  const [low, high] = [estimate.low, estimate.high].map((bound) => Math.round(100 * bound));
  const range = make("b", {textContent: `${low} to ${high}%`});
  const best = estimate.accuracy > 0.995 ? "nearly all" : percent(estimate.accuracy);
  const basis = ` are right (best guess: ${best}), going by ${counted(estimate.labels, "image")} drawn at random.`;
  by("estimate").replaceChildren("Of the model's labels, ", range, basis);
  how.querySelector("p").textContent = estimate.how;
}

function pair(mixed) {
  const times = mixed.count === 1 ? "once" : `${number(mixed.count)} times`;
  return make("li", {}, make("bdi", {textContent: mixed.a}), " and ", make("bdi", {textContent: mixed.b}), `: ${times}`);
}

function showTraining(training) {
  by("training-box").hidden = !training;
  by("open-train").disabled = Boolean(training && !training.done && !training.failed);
  if (!training) return;
  by("training-message").textContent = training.message;
  const bar = by("training-bar");
  bar.hidden = Boolean(training.failed);
  bar.max = training.total || 1;
  if (training.done) bar.value = bar.max;
  else if (training.total && training.step) bar.value = training.step;
  else bar.removeAttribute("value");
}
