// Small parts of a page: its elements, numbers in words, and what a screen reader is told.

export function percent(share) {
  return share >= 0.995 ? ">99%" : `${Math.round(100 * share)}%`;
}

export function counted(number, one, many = one + "s") {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const by = (id) => document.getElementById(id);

export function announce(text) {
  by("live").textContent = text;
}
