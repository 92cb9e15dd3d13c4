// The map of all images, and the region of it that was drawn around.

import {get} from "./api.js";
import {ClassButtons} from "./classes.js";
import {announce, by, counted, make} from "./dom.js";
import {Grid, itemsOf} from "./grid.js";
import {classColor, onState, store} from "./store.js";
import {showTrouble} from "./trouble.js";

const EDGE = 12; // pixels around the points
const points = {x: [], y: [], class: [], confidence: [], labeled: [], version: -1};
const circle = {x: 0.5, y: 0.5, radius: 0.12, shown: false};
let lasso = [];
let drawnAround = []; // indexes
let region = []; // those of them that are still to be looked at
let chosen = null;
let grid = null;
let buttons = null;
let loading = null; // the promise of the points, while they are on their way

export function startMap() {
  grid = new Grid(by("region-grid"), {saved: (answers) => {
    const done = new Set(answers.map(([index]) => index));
    region = region.filter((index) => !done.has(index) && !grid.tiles.some((tile) => tile.item.index === index));
    showRegion();
  }});
  buttons = new ClassButtons(by("region-classes"), {pick: (name) => { chosen = name; showRegion(); }, chosen: () => chosen});
  by("close-region").addEventListener("click", closeRegion);
  const canvas = by("canvas");
  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", extend);
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", () => { lasso = []; draw(); });
  canvas.addEventListener("keydown", moveCircle);
  canvas.addEventListener("focus", () => { circle.shown = canvas.matches(":focus-visible"); draw(); });
  canvas.addEventListener("blur", () => { circle.shown = false; draw(); });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  onState(() => { if (!by("map").hidden) load(); });
}

export const regionGrid = () => (by("region").hidden ? null : grid);

export async function openMap() {
  await load();
  if (by("region").hidden) return;
  region = unlabeled(drawnAround); // what was undone is open again
  showRegion();
}

const unlabeled = (indexes) => indexes.filter((k) => !points.labeled[k]).sort((a, b) => points.confidence[b] - points.confidence[a]);

// The points as of the newest state. Who comes while older ones are on their way waits and looks again.
async function load() {
  while (loading) await loading;
  if (points.version === store.state.version) return draw();
  loading = fetchPoints(store.state.version);
  await loading;
}

async function fetchPoints(version) {
  try {
    Object.assign(points, await get("map"), {version});
    legend();
    draw();
  } catch (error) {
    showTrouble(error, load);
  } finally {
    loading = null;
  }
}

function legend() {
  const known = store.state.classes.map((one) => {
    const swatch = make("i", {className: "swatch"});
    swatch.style.background = classColor(one.name);
    return make("li", {}, swatch, make("bdi", {textContent: one.name}));
  });
  const ringed = make("li", {}, make("i", {className: "swatch ring"}), "labeled by you");
  by("legend").replaceChildren(...known, ringed, make("li", {className: "soft"}, "the paler, the less sure"));
}

function draw() {
  const canvas = by("canvas");
  const {clientWidth: width, clientHeight: height} = canvas;
  if (!width) return;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const colors = store.state.classes.map((_, place) => color(`--series-${(place % 8) + 1}`));
  const radius = points.x.length > 5000 ? 1.8 : points.x.length > 1000 ? 2.8 : 4;
  const dot = (k, size) => {
    pen.beginPath();
    pen.arc(across(points.x[k], width), across(points.y[k], height), size, 0, 2 * Math.PI);
  };
  const labeled = [];
  points.x.forEach((_, k) => {
    if (points.labeled[k]) return labeled.push(k);
    pen.globalAlpha = points.class[k] < 0 ? 0.5 : 0.2 + 0.75 * Math.max(0, 2 * points.confidence[k] - 1);
    pen.fillStyle = points.class[k] < 0 ? color("--soft") : colors[points.class[k]];
    dot(k, radius);
    pen.fill();
  });
  pen.globalAlpha = 1;
  for (const k of labeled) {
    pen.fillStyle = colors[points.class[k]];
    pen.strokeStyle = color("--ink");
    pen.lineWidth = 1.5;
    dot(k, radius + 1.2);
    pen.fill();
    pen.stroke();
  }
  drawSelection(pen, width, height, color("--accent"));
  const model = counted(store.state.settled, "image");
  canvas.setAttribute("aria-label", `Map of ${counted(points.x.length, "image")}: ${store.state.labeled} labeled, ${model} settled by the model`);
}

function drawSelection(pen, width, height, color) {
  pen.strokeStyle = pen.fillStyle = color;
  pen.lineWidth = 2;
  pen.beginPath();
  if (lasso.length) {
    lasso.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
  } else if (circle.shown) {
    pen.arc(circle.x * width, circle.y * height, circle.radius * Math.min(width, height), 0, 2 * Math.PI);
  } else {
    return;
  }
  pen.stroke();
  pen.globalAlpha = 0.12;
  pen.fill();
  pen.globalAlpha = 1;
}

const across = (share, length) => EDGE + share * (length - 2 * EDGE);

function begin(event) {
  if (event.button !== 0) return;
  event.target.setPointerCapture(event.pointerId);
  lasso = [[event.offsetX, event.offsetY]];
}

function extend(event) {
  if (!lasso.length) return;
  lasso.push([event.offsetX, event.offsetY]);
  requestAnimationFrame(draw);
}

function finish() {
  const drawn = lasso;
  lasso = [];
  draw();
  if (drawn.length > 2) select((x, y) => inside(drawn, x, y));
}

// Whether a point is within a polygon: a ray from it crosses the edge an odd number of times.
function inside(polygon, x, y) {
  let odd = false;
  polygon.forEach(([ax, ay], k) => {
    const [bx, by_] = polygon[(k + 1) % polygon.length];
    if (ay > y !== by_ > y && x < ((bx - ax) * (y - ay)) / (by_ - ay) + ax) odd = !odd;
  });
  return odd;
}

function moveCircle(event) {
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const {clientWidth: width, clientHeight: height} = by("canvas");
  if (event.key in steps) {
    circle.x = clamp(circle.x + 0.03 * steps[event.key][0], 0, 1);
    circle.y = clamp(circle.y + 0.03 * steps[event.key][1], 0, 1);
  } else if (event.key === "+" || event.key === "-") {
    circle.radius = clamp(circle.radius * (event.key === "+" ? 1.2 : 1 / 1.2), 0.02, 0.6);
  } else if (event.key === "Enter") {
    const radius = circle.radius * Math.min(width, height);
    select((x, y) => Math.hypot(x - circle.x * width, y - circle.y * height) <= radius);
  } else {
    return;
  }
  event.preventDefault();
  circle.shown = true;
  draw();
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function select(isIn) {
  const {clientWidth: width, clientHeight: height} = by("canvas");
  const found = points.x.map((_, k) => k).filter((k) => isIn(across(points.x[k], width), across(points.y[k], height)));
  if (!found.length) return announce("There is no image in this region.");
  drawnAround = found;
  region = unlabeled(found);
  const votes = region.map((k) => points.class[k]).filter((number) => number >= 0);
  const most = store.state.classes.map((_, number) => votes.filter((vote) => vote === number).length);
  chosen = store.state.classes[most.indexOf(Math.max(...most))]?.name ?? null;
  by("map-view").hidden = true;
  by("region").hidden = false;
  showRegion();
}

async function showRegion() {
  buttons.show();
  const shown = region.slice(0, grid.capacity());
  try {
    const items = (await itemsOf(shown)).filter((item) => !item.answered);
    const all = region.length > shown.length ? `${shown.length} of ` : "";
    const text = `${all}${counted(region.length, "image")} of this region without a label. Click out what is not ${chosen}.`;
    grid.show(items, chosen, items.length && chosen !== null ? text : "No image of this region is left without a label.");
    grid.focus(0);
  } catch (error) {
    showTrouble(error, showRegion);
  }
}

export function closeRegion() {
  by("region").hidden = true;
  by("map-view").hidden = false;
  load();
  by("canvas").focus();
}
