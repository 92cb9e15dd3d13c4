// Small pictures of files, one after the other: by the browser, or by the server where the browser knows no such format.

import {ask, asAddress} from "./api.js";

const SIDE = 480; // pixels

async function drawn(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // behind what is transparent, as the model sees it
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/jpeg", 0.88);
}

async function asked(file, signal) {
  const headers = {"Content-Type": "application/octet-stream"};
  return asAddress(await (await ask("/api/picture", {method: "POST", headers, body: file, signal})).blob());
}

let last = Promise.resolve();

// The address of a picture of a file that the model could read, or null.
export function pictureOf(file, signal) {
  const mine = last.then(() => (signal.aborted ? null : drawn(file).catch(() => asked(file, signal)))).catch(() => null);
  last = mine;
  return mine;
}
