/** The page: which view is open, theme, key, and how the service is. */

import { askJson, key, onKeyNeeded, setKey } from "./api.js";
import { h, showTrouble } from "./elements.js";
import { JobView } from "./job.js";
import { StartView } from "./start.js";

const THEMES = ["system", "light", "dark"];
const CHECK = 15_000; // milliseconds between looks at how the service is

const main = document.getElementById("view");
let view = null;
let access = null;

function route() {
  const [, id, number] = location.hash.match(/^#\/jobs\/([^/]+)(?:\/(\d+))?$/) ?? [];
  const wanted = number ? Number(number) : null;
  if (id && view instanceof JobView && view.id === id) {
    view.show(wanted);
    return;
  }
  view?.close();
  view = id ? new JobView(decodeURIComponent(id)) : new StartView(access);
  if (id) view.show(wanted);
  main.replaceChildren(view.element);
  main.className = id ? "at-job" : "at-start";
  view.open();
}

// -- theme

function useTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  const said = { system: "as the system", light: "light", dark: "dark" }[name];
  document.getElementById("theme-button").textContent = `Theme: ${said}`;
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage switched off: the theme is merely not kept
  }
}

document.getElementById("theme-button").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  useTheme(next);
  try {
    localStorage.setItem("cs3-theme", next);
  } catch { /* as above */ }
});
useTheme(THEMES.includes(stored("cs3-theme")) ? stored("cs3-theme") : "system");

// -- dialogs

const help = document.getElementById("help-dialog");
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", (event) => {
  if (event.key === "?" && !event.target.closest("input, textarea, select, dialog")) help.showModal();
});

const keyDialog = document.getElementById("key-dialog");
const keyInput = document.getElementById("key-input");
let asking = null;

/** Ask once, however many requests were refused at the same time. */
function askKey(refused = true) {
  asking ??= new Promise((resolve) => {
    const before = key();
    document.getElementById("key-why").textContent = refused && before
      ? "The service does not take this key: it may have been withdrawn, or be mistyped. Enter another one."
      : "This service asks for a key. Whoever runs it makes one with: cs3 service keys";
    keyInput.value = "";
    keyDialog.showModal();
    keyInput.focus();
    keyDialog.addEventListener("close", () => {
      asking = null;
      resolve(key() !== before && key() !== null);
    }, { once: true });
  });
  return asking;
}

onKeyNeeded(() => askKey());
document.getElementById("key-form").addEventListener("submit", () => {
  if (keyInput.value.trim()) setKey(keyInput.value.trim());
  meet();
});
document.getElementById("key-forget").addEventListener("click", () => {
  setKey(null);
  keyDialog.close();
  location.reload();
});
document.getElementById("key-close").addEventListener("click", () => keyDialog.close());
document.getElementById("key-button").addEventListener("click", () => askKey(false));

// -- the service

async function meet() {
  try {
    access = await askJson("v1/access");
    if (view instanceof StartView) view.access = access;
    document.getElementById("key-button").hidden = !access.key_required && !key();
  } catch (error) {
    showTrouble(error);
  }
}

async function look() {
  const place = document.getElementById("service");
  let [state, text] = ["away", "service does not answer"];
  try {
    const response = await fetch("v2/health/ready", { cache: "no-store" });
    [state, text] = response.ok ? ["ready", "ready"] : ["waiting", "getting ready"];
  } catch { /* away */ }
  if (place.dataset.state !== state) {
    place.dataset.state = state;
    place.replaceChildren(h("i", { class: "lamp" }), text);
  }
  setTimeout(look, state === "ready" ? CHECK : 2000);
}

window.addEventListener("hashchange", route);
meet();
look();
route();
