/**
 * One field of view as it is looked at: what was found, what is shown of it, what is chosen. Picture, table
 * and card all listen to it and never talk to each other.
 *
 * Events: "choice" (another sperm is chosen), "hover", "shown" (what is visible), "review".
 */

import { what } from "./measures.js";

/** Which parts belong to the head and which to the tail, in the order in which they are drawn. */
export const FAMILIES = {
  tail: ["tail", "midpiece"],
  head: ["head", "nucleus", "acrosome", "vacuole"],
};
// Okabe and Ito's palette as CS3's overlays use it, for results that name no colours.
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

export class Field extends EventTarget {
  #hidden = new Set();

  /** @param result one image's result as the service answers it */
  constructor(result) {
    super();
    this.width = result.width;
    this.height = result.height;
    this.pixelSize = result.pixel_size_um ?? null;
    this.sperm = result.sperm.map((one) => ({
      ...one,
      parts: new Map(one.parts.map((part) => [part.part, part])),
      what: what(one),
      colour: one.colour ?? PALETTE[(one.sperm_id - 1) % PALETTE.length],
      review: { rejected: false, comment: "", ...one.review },
    }));
    this.byId = new Map(this.sperm.map((one) => [one.sperm_id, one]));
    this.chosen = null;
    this.hovered = null;
    /** The parts that occur in this field, heads first. */
    this.kinds = [...FAMILIES.head, ...FAMILIES.tail].filter((kind) => this.sperm.some((one) => one.parts.has(kind)));
    this.switches = { masks: true, alone: true, rejected: true, numbers: true };
    for (const kind of this.kinds) this.switches[kind] = true;
  }

  /** Whether a part is drawn: all switches on that concern it. */
  visible(sperm, part) {
    const on = this.switches;
    return sperm.parts.has(part) && on.masks && on[part] && (on.alone || sperm.complete)
      && (on.rejected || !sperm.review.rejected) && this.shown(sperm, part);
  }

  /** Whether this part of this sperm is switched on by itself. */
  shown(sperm, part) {
    return !this.#hidden.has(`${sperm.sperm_id} ${part}`);
  }

  /** Switch parts of one sperm on or off, all of them by default. */
  show(sperm, on, parts = sperm.parts.keys()) {
    for (const part of parts) {
      const key = `${sperm.sperm_id} ${part}`;
      if (on) this.#hidden.delete(key);
      else this.#hidden.add(key);
    }
    this.#tell("shown");
  }

  /** Switch every sperm on or off by itself. */
  showAll(on) {
    this.#hidden.clear();
    if (!on) for (const one of this.sperm) for (const part of one.parts.keys()) this.#hidden.add(`${one.sperm_id} ${part}`);
    this.#tell("shown");
  }

  /** Turn one of the switches over, or set it. */
  flip(name, on = !this.switches[name]) {
    this.switches[name] = on;
    this.#tell("shown");
  }

  /** Turn heads or tails over, all their parts together. */
  flipFamily(family) {
    const kinds = this.kinds.filter((kind) => FAMILIES[family].includes(kind));
    const on = !kinds.some((kind) => this.switches[kind]);
    for (const kind of kinds) this.switches[kind] = on;
    this.#tell("shown");
  }

  /** Choose a sperm by id, or none. `by` says who asks: "picture", "table", "key". */
  choose(id, by) {
    const next = this.byId.get(id) ?? null;
    if (next === this.chosen) return;
    this.chosen = next;
    this.#tell("choice", { by });
  }

  /** Point at a sperm by id, or at none. */
  hover(id) {
    const next = this.byId.get(id) ?? null;
    if (next === this.hovered) return;
    this.hovered = next;
    this.#tell("hover");
  }

  /** Take over what the service has kept. */
  reviewed(id, review) {
    const sperm = this.byId.get(id);
    if (!sperm) return;
    sperm.review = { rejected: false, comment: "", ...review };
    this.#tell("review", { id });
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
