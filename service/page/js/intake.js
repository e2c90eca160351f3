/** Which files a person means: from a drop (folders included) or a file dialog. */

const SUFFIXES = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];
export const ACCEPTED = [...SUFFIXES, "zip"].map((suffix) => `.${suffix}`).join(",");

/**
 * Images and zips among files, and how many others there were. Hidden files are left out silently.
 * @param found [{file, path}]
 */
export function sift(found) {
  const visible = found.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
  const wanted = visible.filter(({ path }) => {
    const suffix = path.split(".").pop().toLowerCase();
    return SUFFIXES.includes(suffix) || suffix === "zip";
  });
  return { wanted, others: visible.length - wanted.length };
}

/** The files of a file input. */
export function chosen(input) {
  return [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/** The files of a drop; folders are walked through. */
export async function dropped(transfer) {
  // Entries have to be taken at once: after the event the list is empty.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}
