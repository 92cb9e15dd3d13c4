// Pictures that were loaded, or are loading; those that were not used for longest are forgotten.

import {ask, asAddress} from "./api.js";

// The picture as an address for an <img>: a browser sends no key for images.
async function picture(index, side) {
  const content = await (await ask(`/api/picture/${index}/${side}`)).blob();
  return asAddress(content);
}

const MOST = {large: 12, small: 400};
const kept = {large: new Map(), small: new Map()};

function load(kind, index, side) {
  const pictures = kept[kind];
  const key = `${index}/${side}`;
  const found = pictures.get(key) ?? picture(index, side);
  pictures.delete(key);
  pictures.set(key, found);
  found.catch(() => pictures.delete(key));
  if (pictures.size > MOST[kind]) pictures.delete(pictures.keys().next().value);
  return found;
}

export function large(index) {
  const pixels = Math.max(innerWidth, innerHeight) * devicePixelRatio;
  return load("large", index, pixels > 1100 ? 1600 : 800);
}

export function small(index, side) {
  return load("small", index, side * devicePixelRatio > 170 ? 320 : 160);
}
