/** A job: its progress, its figures, and its images one at a time. */

import { ask, askJson, events } from "./api.js";
import { downloadMenu } from "./downloads.js";
import { announce, count, duration, h, moment, showTrouble, stateOf } from "./elements.js";
import { Inspector } from "./inspector.js";
import { Strip } from "./strip.js";
import { rows, summarise, summaryList } from "./summary.js";

const FIGURES_EVERY = 5000; // milliseconds, while images are being done
const FIGURES_SHARE = 20; // at most one part in so many of the time is spent on figures: large jobs take longer

export class JobView {
  #images = new Map();
  #stop = new AbortController();
  #opening = null;
  #loading = null; // number of the image that is being fetched: events must not make it start again
  #begin = null; // when the first event came, for the time that is left
  #figuresTimer = null;
  #figuresDue = 0;

  /** @param id the job's id */
  constructor(id) {
    this.id = id;
    this.base = `v1/jobs/${id}`;
    this.strip = new Strip(id);
    this.title = h("h1");
    this.state = h("div", { class: "job-state" });
    this.bar = h("progress", { max: "1", value: "0", "aria-label": "Images done" });
    this.tools = h("div", { class: "job-tools" });
    this.figures = h("dl", { class: "figures", hidden: true });
    this.body = h("div", { class: "job-body" });
    this.element = h("div", { class: "job" },
      h("header", { class: "job-head" }, h("div", { class: "job-title" }, this.title, this.state, this.bar), this.figures, this.tools),
      this.body);
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Fetch the job and follow it until it is done. */
  async open() {
    try {
      this.job = await askJson(this.base, { signal: this.#stop.signal });
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.title.textContent = "Job";
      this.#say(error.title, error.message);
      return;
    }
    document.title = `${this.job.name || "Job"} – CS3`;
    for (const image of this.job.images) this.#note(image);
    this.#head();
    this.#figuresSoon(0);
    this.show(this.wanted ?? null);
    if (!this.job.finished_at) this.#follow();
  }

  /** Look at an image by number; null: at the first that is done. */
  show(number) {
    this.wanted = number;
    if (!this.job) return;
    if (this.job.deleted_at) {
      this.#say("Deleted", `Images and results of this job were deleted ${moment(this.job.deleted_at)}.`);
      return;
    }
    const image = number === null
      ? [...this.#images.values()].find(({ state }) => state === "succeeded") ?? [...this.#images.values()].find(({ error }) => error && this.job.finished_at)
      : this.#images.get(number);
    if (number !== null && !image) this.#say("No such image", `This job has images 1 to ${this.#images.size}, asked for ${number}.`);
    else if (!image) this.#waiting();
    else if (this.#loading !== image.number && (this.current !== image.number || !this.inspector)) this.#inspect(image);
  }

  /** Stop following. */
  close() {
    this.#stop.abort();
    clearTimeout(this.#figuresTimer);
    this.inspector?.close();
  }

  async #inspect(image) {
    this.current = image.number;
    this.strip.mark(image.number);
    this.#opening?.abort();
    const opening = this.#opening = new AbortController();
    if (image.state !== "succeeded") {
      if (image.error) this.#say(`${image.file_name} could not be segmented`, image.error);
      else this.#waiting(image);
      return;
    }
    this.#loading = image.number;
    try {
      const next = await Inspector.open(`${this.base}/images/${image.number}`, {
        reviewed: () => this.#figuresSoon(400), expires: this.job.images_expire_at, signal: opening.signal });
      if (opening.signal.aborted || this.#stop.signal.aborted) {
        next.close();
        return;
      }
      const inPicture = this.inspector && document.activeElement === this.inspector.viewer.svg;
      this.inspector?.close();
      this.inspector = next;
      this.body.replaceChildren(this.strip.element, next.stage, next.side);
      next.viewer.fit();
      this.strip.mark(image.number);
      if (inPicture) next.viewer.svg.focus({ preventScroll: true });
      announce(`${image.file_name}: ${count(next.field.sperm.length, "sperm", "sperm")}`);
    } catch (error) {
      if (error.name !== "AbortError") this.#say(error.title ?? "This image cannot be shown", error.message);
    } finally {
      if (this.#opening === opening) this.#loading = null;
    }
  }

  async #follow() {
    try {
      for await (const { type, data } of events(`${this.base}/events`, this.#stop.signal)) {
        if (type === "image") {
          this.#note(data);
          this.#begin ??= Date.now();
          if (data.state === "succeeded") this.#figuresSoon(FIGURES_EVERY);
          if (!this.inspector && (this.wanted ?? data.number) === data.number) this.show(this.wanted);
          if (data.state === "failed") announce(`${data.file_name} failed`);
        } else if (type === "job") {
          Object.assign(this.job, data);
          if (["succeeded", "failed", "cancelled"].includes(data.state)) break;
        }
        this.#head();
      }
      this.job = await askJson(this.base, { signal: this.#stop.signal });
      for (const image of this.job.images) this.#note(image);
      this.#head();
      this.#figuresSoon(0);
      if (!this.inspector) this.show(this.wanted);
      announce(`The job is done: ${this.job.counts.succeeded} of ${count(this.job.counts.images, "image")} segmented`);
    } catch (error) {
      if (!this.#stop.signal.aborted) showTrouble(error);
    }
  }

  #note(image) {
    const known = { ...this.#images.get(image.number), ...image };
    this.#images.set(image.number, known);
    this.strip.set(known);
  }

  #head() {
    const { job } = this;
    const images = [...this.#images.values()];
    const done = images.filter(({ state }) => ["succeeded", "failed", "cancelled"].includes(state)).length;
    const failed = images.filter(({ state }) => state === "failed").length;
    const live = !job.finished_at && !["succeeded", "failed", "cancelled"].includes(job.state);
    this.title.textContent = job.name || (images.length === 1 ? images[0].file_name : "Unnamed job");
    const said = [live ? `${done} of ${count(images.length, "image")}` : count(images.length, "image")];
    if (failed) said.push(`${failed} failed`);
    if (live && this.#begin && done > 1) {
      const left = (Date.now() - this.#begin) / 1000 / done * (images.length - done);
      if (left > 2) said.push(`about ${duration(left)} left`);
    }
    said.push(moment(job.created_at));
    if (job.skipped.length) said.push(`${count(job.skipped.length, "file")} of a zip left out: no images`);
    this.state.replaceChildren(stateOf(job.state), h("span", { class: "soft" }, said.join(" · ")));
    this.bar.hidden = !live;
    this.bar.max = images.length || 1;
    this.bar.value = done;
    this.#toolsFor(live ? "live" : job.deleted_at ? "deleted" : "done");
  }

  #toolsFor(phase) {
    if (this.phase === phase) return;
    this.phase = phase;
    const remove = h("button", { type: "button", class: "wrong", id: "delete", onclick: () => this.#delete() }, "Delete");
    const cancel = h("button", { type: "button", id: "cancel", onclick: () => this.#cancel(cancel) }, "Cancel");
    const menu = phase === "deleted" ? null : downloadMenu(this.job, () => (this.inspector ? this.#images.get(this.current) : null));
    this.tools.replaceChildren(...[menu, { live: cancel, done: remove }[phase]].filter(Boolean));
  }

  async #cancel(button) {
    button.disabled = true;
    try {
      await ask(this.base, { method: "DELETE" });
      announce("Cancelled");
    } catch (error) {
      button.disabled = false;
      showTrouble(error);
    }
  }

  async #delete() {
    const sure = h("dialog", { "aria-labelledby": "sure-title" }, h("form", { method: "dialog" },
      h("h2", { id: "sure-title" }, "Delete this job?"),
      h("p", {}, `Its ${count(this.#images.size, "image")}, results and reviews are removed from the service for good. What you have downloaded stays.`),
      h("div", { class: "buttons" },
        h("button", { value: "no", class: "main", autofocus: true }, "Keep it"),
        h("button", { value: "delete", class: "wrong", id: "sure-delete" }, "Delete it"))));
    document.body.append(sure);
    sure.showModal();
    await new Promise((resolve) => { sure.addEventListener("close", resolve, { once: true }); });
    sure.remove();
    if (sure.returnValue !== "delete") return;
    try {
      await ask(`${this.base}?purge=true`, { method: "DELETE" });
      announce("Deleted");
      location.hash = "#/";
    } catch (error) {
      showTrouble(error);
    }
  }

  /** Fetch the figures, at most once in a while. */
  #figuresSoon(wait) {
    clearTimeout(this.#figuresTimer);
    const due = wait === FIGURES_EVERY ? Math.max(0, this.#figuresDue - Date.now()) : wait;
    this.#figuresTimer = setTimeout(async () => {
      const begun = Date.now();
      if (this.job.deleted_at || ![...this.#images.values()].some(({ state }) => state === "succeeded")) return;
      try {
        const response = await ask(`${this.base}/results?format=csv`, { signal: this.#stop.signal });
        this.figures.replaceChildren(...summaryList(summarise(rows(await response.text()))));
        this.figures.hidden = false;
        this.#figuresDue = Date.now() + Math.max(FIGURES_EVERY, FIGURES_SHARE * (Date.now() - begun));
      } catch (error) {
        if (!this.#stop.signal.aborted) showTrouble(error);
      }
    }, due);
  }

  #waiting(image = null) {
    const ahead = [...this.#images.values()].filter(({ state, number }) =>
      ["queued", "running", "blocked"].includes(state) && image && number < image.number).length;
    const text = this.job.finished_at ? "No image of this job was segmented."
      : image?.state === "running" || !image && this.job.state === "running" ? "Being segmented. It appears here as soon as it is done."
        : ahead ? `Waiting; ${count(ahead, "image")} before it.` : "Waiting for its turn.";
    this.#say(image ? image.file_name : "", text);
  }

  #say(title, text) {
    this.inspector?.close();
    this.inspector = null;
    this.body.replaceChildren(this.strip.element, h("section", { class: "stage message" },
      title ? h("h2", {}, title) : null, h("p", {}, text ?? "")));
  }

  #key(event) {
    const by = { PageDown: 1, PageUp: -1 }[event.key];
    if (!by || !this.current || event.target.closest("textarea, .table-scroll")) return;
    event.preventDefault();
    const next = this.#images.get(this.current + by);
    if (next) location.hash = `#/jobs/${this.id}/${next.number}`;
  }
}
