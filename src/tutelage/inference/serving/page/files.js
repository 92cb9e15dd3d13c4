// The files that are dropped or pasted, those inside of folders too.

const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/; // what systems leave in folders

export async function filesOf(transfer) {
  // entries and files must be taken at once: after the first wait, the browser has forgotten them
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) found.push(...await within(entry));
  return found.filter(Boolean);
}

async function within(entry) {
  if (entry === null || entry instanceof File) return [entry];
  if (entry.isFile) return [await new Promise((resolve) => entry.file(resolve, () => resolve(null)))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) return found;
    for (const one of some) if (!HIDDEN.test(one.name)) found.push(...await within(one));
  }
}
