/** Building blocks of the page: elements, icons, numbers and times as people read them. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Build an element. Attributes that start with "on" are listeners, null and false leave an attribute out,
 * true sets it without a value. Children are nodes or text; null is skipped. Text never becomes markup.
 */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const ICONS = {
  check: "M3 8.5 6.5 12 13 4.5",
  cross: "M4 4 12 12M12 4 4 12",
  ring: "M8 2.500a5.5 5.5 0 1 0 .01 0",
  arc: "M8 2.500a5.5 5.5 0 1 1-5.5 5.5",
  dash: "M3.5 8h9",
  plus: "M8 3v10M3 8h10",
  fit: "M2.5 6V2.500H6M10 2.500h3.500V6M13.5 10v3.500H10M6 13.500H2.500V10",
  down: "M8 2.500v8M4.5 7.5 8 11l3.5-3.500M3 13.500h10",
  comment: "M2.5 3.500h11v7h-6l-3 2.500v-2.500h-2z",
  rising: "M4.5 9.5 8 6l3.5 3.5",
  falling: "M4.5 6.5 8 10l3.5-3.5",
};

/** An icon, drawn in the colour of the text around it and silent to screen readers. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: ICONS[name] }));
}

const STATES = {
  queued: ["ring", "queued"],
  running: ["arc", "running"],
  succeeded: ["check", "done"],
  failed: ["cross", "failed"],
  cancelled: ["dash", "cancelled"],
};

/** The state of a job or an image as sign and word. */
export function stateOf(state) {
  const [sign, word] = STATES[state] ?? ["ring", state];
  return h("span", { class: "state", "data-state": state }, icon(sign), word);
}

/** "1 image", "3 images". */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** Bytes as people say them. */
export function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; number >= 1000 && step < units.length - 1; step++) number /= 1000;
  return `${number >= 100 || step === 0 ? Math.round(number) : number.toFixed(1)} ${units[step]}`;
}

/** Seconds as "40 s", "3 min", "2 h 10 min". */
export function duration(seconds) {
  if (seconds < 1) return "less than 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A moment in local time: the time alone for today, else day and time. */
export function moment(text) {
  const when = new Date(text);
  if (Number.isNaN(when.valueOf())) return "";
  const time = when.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  if (when.toDateString() === new Date().toDateString()) return `today, ${time}`;
  return `${when.toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" })}, ${time}`;
}

/** Say something to those who hear the page. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Show what went wrong until it is closed. */
export function showTrouble(error) {
  console.error(error);
  const box = document.getElementById("trouble");
  const close = h("button", { type: "button", class: "quiet", onclick: () => entry.remove() }, "Close");
  const entry = h("div", {}, h("strong", {}, error.title ?? "Something went wrong"), close,
    h("p", {}, error.message || String(error)));
  for (const other of box.children) if (other.textContent === entry.textContent) other.remove();
  box.append(entry);
  while (box.children.length > 3) box.firstElementChild.remove();
}
