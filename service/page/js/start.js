/** The start page: images in, recent jobs. */

import { askJson, send } from "./api.js";
import { announce, bytes, count, h, icon, moment, showTrouble, stateOf } from "./elements.js";
import { ACCEPTED, chosen, dropped, sift } from "./intake.js";

const LISTED = 6; // names of files shown before "and N more"
const PAGE = 20; // jobs at a time
const REFRESH = 4000; // milliseconds, while a job is at work

export class StartView {
  #files = [];
  #jobs = new Map();
  #timer = null;
  #cursor = null;

  /** @param access what the service takes, as it answers at /v1/access; null while unknown */
  constructor(access) {
    this.access = access;
    this.files = this.#input({ id: "files", multiple: true, accept: ACCEPTED });
    this.folder = this.#input({ id: "folder", webkitdirectory: true });
    this.zone = h("div", { class: "zone", id: "drop-zone" },
      h("p", { class: "zone-title" }, "Drop images of stained smears here"),
      h("p", { class: "soft" }, "PNG, JPEG, TIFF or BMP; folders and zips too"),
      h("div", { class: "zone-buttons" },
        h("button", { type: "button", id: "choose-files", onclick: () => this.files.click() }, "Choose images"),
        h("button", { type: "button", id: "choose-folder", onclick: () => this.folder.click() }, "Choose a folder"),
        this.files, this.folder));
    this.form = this.#form();
    this.rows = h("tbody");
    this.older = h("button", { type: "button", hidden: true, onclick: () => this.#load(this.#cursor) }, "Older jobs");
    this.nothing = h("p", { class: "soft empty", hidden: true }, "No jobs yet. What you segment appears here.");
    this.table = h("table", { hidden: true },
      h("thead", {}, h("tr", {}, ["Job", "State", "Images", "Sperm", "Submitted"].map((title, column) =>
        h("th", { scope: "col", class: column > 1 && column < 4 ? "number" : null }, title)))), this.rows);
    this.element = h("div", { class: "start" },
      h("section", { class: "new", "aria-labelledby": "new-title" },
        h("h1", { id: "new-title" }, "Find and measure every sperm"),
        h("p", { class: "soft" }, "Each with its head and its own tail, also where tails cross."),
        this.zone, this.form),
      h("section", { class: "recent", "aria-labelledby": "recent-title" },
        h("h2", { id: "recent-title" }, "Recent jobs"), this.table, this.nothing, this.older));
    this.#dropping();
    this.#show();
  }

  /** Begin to follow the jobs. */
  open() {
    document.title = "CS3";
    this.#load();
  }

  /** Stop following. */
  close() {
    this.closed = true;
    clearTimeout(this.#timer);
  }

  #input(attributes) {
    const input = h("input", { type: "file", class: "unseen", tabindex: "-1", "aria-hidden": "true", ...attributes, onchange: () => {
      this.#take(chosen(input));
      input.value = "";
    } });
    return input;
  }

  #form() {
    this.list = h("ul", { class: "files" });
    this.total = h("strong");
    this.note = h("p", { class: "hint", role: "status" });
    this.size = h("input", { id: "pixel-size", inputmode: "decimal", autocomplete: "off", placeholder: "as the files state",
      "aria-describedby": "pixel-size-hint", oninput: () => this.size.removeAttribute("aria-invalid") });
    this.name = h("input", { id: "job-name", maxlength: "200", autocomplete: "off", placeholder: "optional" });
    this.preset = h("select", { id: "preset" },
      h("option", { value: "default" }, "CS3's own"), h("option", { value: "paper" }, "as published (slower)"));
    this.go = h("button", { type: "submit", class: "main", id: "go" });
    this.bar = h("progress", { max: "1", hidden: true, "aria-label": "Sending" });
    this.clear = h("button", { type: "button", id: "clear", onclick: () => (this.sending ? this.sending.stop() : this.#empty()) }, "Clear");
    return h("form", { class: "order", hidden: true, onsubmit: (event) => {
      event.preventDefault();
      this.#submit();
    } },
    h("div", { class: "order-files" }, this.total, this.list, this.note),
    h("div", { class: "order-fields" },
      h("div", {}, h("label", { for: "pixel-size" }, "Pixel size, µm"), this.size,
        h("span", { class: "hint", id: "pixel-size-hint" }, "One for all images. Unknown: lengths in pixels.")),
      h("div", {}, h("label", { for: "job-name" }, "Name of the job"), this.name),
      h("div", {}, h("label", { for: "preset" }, "Setting"), this.preset)),
    this.bar,
    h("div", { class: "buttons" }, this.go, this.clear));
  }

  #dropping() {
    const over = (on) => (event) => {
      event.preventDefault();
      this.zone.classList.toggle("over", on);
    };
    this.element.addEventListener("dragover", over(true));
    this.element.addEventListener("dragleave", (event) => {
      if (!this.element.contains(event.relatedTarget)) over(false)(event);
    });
    this.element.addEventListener("drop", async (event) => {
      over(false)(event);
      try {
        this.#take(await dropped(event.dataTransfer));
      } catch (error) {
        showTrouble(error);
      }
    });
  }

  #take(found) {
    if (this.sending) return;
    const { wanted, others } = sift(found);
    const known = new Set(this.#files.map(({ path, file }) => `${path} ${file.size} ${file.lastModified}`));
    this.#files.push(...wanted.filter(({ path, file }) => !known.has(`${path} ${file.size} ${file.lastModified}`)));
    this.#show();
    this.note.textContent = others ? `${count(others, "file")} left out: no PNG, JPEG, TIFF, BMP or zip.` : "";
    if (!this.#files.length && others) {
      announce(this.note.textContent);
      showTrouble(Object.assign(new Error("Expected PNG, JPEG, TIFF, BMP or zip files."), { title: "No images among these files" }));
    }
    if (this.#files.length) this.go.focus();
  }

  #empty() {
    this.#files = [];
    this.note.textContent = "";
    this.#show();
    document.getElementById("choose-files")?.focus();
  }

  #show() {
    const files = this.#files;
    this.form.hidden = files.length === 0;
    this.zone.classList.toggle("filled", files.length > 0);
    if (!files.length) return;
    const size = files.reduce((sum, { file }) => sum + file.size, 0);
    this.total.textContent = `${count(files.length, "file")}, ${bytes(size)}`;
    const more = files.length - LISTED;
    this.list.replaceChildren(
      ...files.slice(0, more === 1 ? LISTED + 1 : LISTED).map(({ path, file }) => h("li", {}, h("span", {}, path), h("span", { class: "soft" }, bytes(file.size)))),
      ...(more > 1 ? [h("li", { class: "soft" }, `and ${more} more`)] : []));
    const zips = files.some(({ path }) => path.toLowerCase().endsWith(".zip"));
    this.go.textContent = zips ? "Segment the images" : `Segment ${count(files.length, "image")}`;
  }

  #settings() {
    const form = new FormData();
    const text = this.size.value.trim().replace(",", ".");
    if (text) {
      if (!(Number(text) > 0)) {
        this.size.setAttribute("aria-invalid", "true");
        this.size.focus();
        throw Object.assign(new Error(`Expected µm a pixel such as 0.1, found "${this.size.value}".`), { title: "Pixel size" });
      }
      form.set("pixel_size_um", text);
    }
    if (this.name.value.trim()) form.set("name", this.name.value.trim());
    form.set("preset", this.preset.value);
    return form;
  }

  #check() {
    const { access } = this;
    const size = this.#files.reduce((sum, { file }) => sum + file.size, 0);
    if (!access) return;
    const say = (text) => { throw Object.assign(new Error(text), { title: "Too much at once" }); };
    if (this.#files.length > access.max_files) say(`This service takes ${access.max_files} files a job, found ${this.#files.length}; make several jobs of them.`);
    if (size > access.max_body_bytes) say(`This service takes ${bytes(access.max_body_bytes)} a job, found ${bytes(size)}; make several jobs of them.`);
  }

  async #submit() {
    if (this.sending || !this.#files.length) return;
    try {
      const form = this.#settings();
      this.#check();
      for (const { file, path } of this.#files) form.append("images", file, path);
      this.bar.hidden = false;
      this.bar.value = 0;
      this.go.disabled = true;
      this.clear.textContent = "Stop";
      this.sending = send("v1/jobs", form, (part) => {
        this.note.textContent = part === null ? "The service is busy; trying again soon." : part < 1 ? `Sending: ${Math.round(part * 100)} %` : "Sent; the service takes the images in.";
        if (part !== null) this.bar.value = part;
      });
      const job = await this.sending.promise;
      announce("Submitted");
      location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      if (error.name !== "AbortError") showTrouble(error);
      this.note.textContent = error.name === "AbortError" ? "Stopped; nothing was submitted." : "";
    } finally {
      this.sending = null;
      this.bar.hidden = true;
      this.go.disabled = false;
      this.clear.textContent = "Clear";
    }
  }

  async #load(cursor = null) {
    clearTimeout(this.#timer);
    try {
      const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}) });
      const page = await askJson(`v1/jobs?${query}`);
      if (this.closed) return;
      for (const job of page.jobs) this.#jobs.set(job.id, job);
      if (cursor || !this.#cursor) {
        this.#cursor = page.next_cursor;
        this.older.hidden = !page.next_cursor;
      }
      this.#list();
    } catch (error) {
      if (this.closed) return;
      showTrouble(error);
    }
    const busy = [...this.#jobs.values()].some((job) => !job.finished_at);
    this.#timer = setTimeout(() => this.#load(), busy && !document.hidden ? REFRESH : 10 * REFRESH);
  }

  #list() {
    const jobs = [...this.#jobs.values()].filter((job) => !job.deleted_at && job.kind !== "benchmark")
      .sort((a, b) => b.created_at.localeCompare(a.created_at));
    this.table.hidden = jobs.length === 0;
    this.nothing.hidden = jobs.length > 0;
    const focused = document.activeElement?.getAttribute("href");
    this.rows.replaceChildren(...jobs.map((job) => this.#row(job)));
    if (focused) this.rows.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(job) {
    const { images, succeeded, failed, cancelled } = job.counts;
    const done = succeeded + failed + cancelled;
    const state = job.finished_at ? [stateOf(job.state)] : [stateOf(job.state),
      h("progress", { max: images || 1, value: done, "aria-label": `${done} of ${images}` })];
    const wrong = failed ? h("span", { class: "some-failed" }, icon("cross"), `${failed} failed`) : null;
    return h("tr", {},
      h("th", { scope: "row" }, h("a", { href: `#/jobs/${job.id}` }, job.name || "unnamed")),
      h("td", {}, h("span", { class: "state-cell" }, state, job.state === "failed" ? null : wrong)),
      h("td", { class: "number" }, job.finished_at || !images ? String(images) : `${done} / ${images}`),
      h("td", { class: "number" }, String(job.sperm)),
      h("td", { class: "soft" }, moment(job.created_at)));
  }
}
