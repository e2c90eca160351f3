/** One image of a job, opened: switches, picture, card and table, and the keys that work on them. */

import { askJson, picture } from "./api.js";
import { SpermCard } from "./card.js";
import { h, icon, moment } from "./elements.js";
import { Field } from "./field.js";
import { MeasureTable } from "./table.js";
import { Viewer } from "./viewer.js";

const SWITCHES = [
  ["masks", "Masks", "Every mask (M)"],
  ["head", "Heads", "Heads (H)"],
  ["nucleus", "Nuclei", "Nuclei"],
  ["acrosome", "Acrosomes", "Acrosomes"],
  ["vacuole", "Vacuoles", "Vacuoles"],
  ["tail", "Tails", "Tails (T)"],
  ["midpiece", "Midpieces", "Midpieces"],
  ["alone", "Incomplete", "Heads without a tail, tails without a head"],
  ["rejected", "Rejected", "Sperm that somebody rejected"],
  ["numbers", "Numbers", "Numbers of the sperm"],
];
let cover = 0.35; // kept from image to image

export class Inspector {
  /**
   * Fetch an image's result and picture.
   * @param base path of the image in the service
   * @param reviewed called after a review was kept
   * @param expires when the service deletes the picture, or null
   */
  static async open(base, { reviewed, expires, signal }) {
    let gone = null; // why there is no picture; what was found is still worth a look
    const [result, url] = await Promise.all([askJson(`${base}/result`, { signal }),
      picture(`${base}/picture`, signal).catch((error) => {
        if (error.name === "AbortError") throw error;
        gone = error.status === 410 ? "The picture has been deleted; the masks are what was found in it."
          : `The picture cannot be shown. ${error.message}`;
        return null;
      })]);
    return new Inspector(base, result, url, { reviewed, expires, gone });
  }

  constructor(base, result, url, { reviewed, expires, gone }) {
    this.url = url;
    this.field = new Field(result);
    this.viewer = new Viewer(this.field, url, result.file_name);
    this.table = new MeasureTable(this.field);
    this.card = new SpermCard(this.field, async (id, review) => {
      const kept = await askJson(`${base}/reviews/${id}`, { method: "PUT", json: review });
      reviewed();
      return kept;
    }, () => this.viewer.svg.focus());
    this.switches = this.#toolbar();
    const said = [...gone ? [gone] : [], ...(result.notes ?? []).map(({ text }) => text)];
    this.stage = h("section", { class: "stage", "aria-label": "Picture" }, this.switches,
      said.length ? h("div", { class: "said", role: "note" }, said.map((text) => h("p", {}, text))) : null,
      this.viewer.element, this.#about(result, expires));
    this.side = h("aside", { class: "side", "aria-label": "Sperm" }, this.card.element, this.table.element);
    this.field.addEventListener("shown", () => this.#mark());
    this.viewer.cover(cover);
    this.#mark();
    for (const element of [this.viewer.svg, this.table.body]) element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Free the picture. */
  close() {
    this.viewer.close();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  #toolbar() {
    const { field } = this;
    this.buttons = new Map(SWITCHES.filter(([name]) => name in field.switches).map(([name, label, title]) => [name,
      h("button", { type: "button", title, "data-switch": name, onclick: () => field.flip(name) }, h("i", { class: "box" }, icon("check")), label)]));
    const slider = h("input", { id: "cover", type: "range", min: "0", max: "0.8", step: "0.05", value: cover, oninput: () => {
      cover = Number(slider.value);
      this.viewer.cover(cover);
    } });
    return h("div", { class: "switches", role: "toolbar", "aria-label": "What is shown" }, [...this.buttons.values()],
      h("label", { class: "slider", for: "cover" }, "Fill", slider));
  }

  #mark() {
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(this.field.switches[name]));
  }

  #about(result, expires) {
    const size = result.pixel_size_um ? `${result.pixel_size_um} µm a pixel` : "pixel size unknown: lengths in px";
    return h("p", { class: "about soft small" },
      `${result.width} × ${result.height} px, ${size}. Model ${result.model.name} `,
      h("span", { title: `SHA-256 of the weights: ${result.model.sha256}` }, `(${result.model.sha256.slice(0, 8)})`),
      `, CS3 ${result.version}, ${result.timings.total.toFixed(1)} s. `,
      expires && this.url ? `The service deletes the picture ${moment(expires)}.` : null);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea")) return;
    const { field } = this;
    const act = {
      n: () => this.#step(1), p: () => this.#step(-1),
      Enter: () => field.chosen && this.viewer.look(field.chosen, true),
      " ": () => field.chosen && field.show(field.chosen, ![...field.chosen.parts.keys()].some((part) => field.shown(field.chosen, part))),
      r: () => this.card.reject(), c: () => this.card.comment(),
      m: () => field.flip("masks"), h: () => field.flipFamily("head"), t: () => field.flipFamily("tail"),
      Escape: () => field.choose(null, "key"),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #step(by) {
    const { order } = this.table;
    if (!order.length) return;
    const at = this.field.chosen ? order.indexOf(this.field.chosen.sperm_id) + by : by > 0 ? 0 : order.length - 1;
    this.field.choose(order[(at + order.length) % order.length], "key");
  }
}
