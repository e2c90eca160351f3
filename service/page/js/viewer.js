/** The picture with what was found drawn over it: choose, enlarge, move; masks as SVG in the image's own pixels. */

import { h, icon, s } from "./elements.js";
import { FAMILIES } from "./field.js";
import { roundLength } from "./measures.js";

const MOST = 24; // screen pixels an image pixel, at most
const STEP = 1.25;
const DRAWN = [...FAMILIES.tail, ...FAMILIES.head]; // what is drawn last lies on top

export class Viewer {
  #view = null; // {x, y, scale}: image point at the top left, image pixels a screen pixel
  #drag = null;
  #groups = new Map();

  /**
   * @param field what is looked at
   * @param picture object URL of the picture as a browser can show it
   * @param name the image's name
   */
  constructor(field, picture, name) {
    this.field = field;
    const { width, height } = field;
    this.image = s("image", { href: picture, width, height, preserveAspectRatio: "none" });
    this.layer = s("g", { class: "masks" });
    this.labels = s("g", { class: "numbers", "aria-hidden": "true" });
    this.svg = s("svg", {
      class: "picture", tabindex: "0", role: "application", "aria-roledescription": "picture",
      "aria-label": `${name}: ${width} by ${height} pixels, ${field.sperm.length} sperm. N and P go through the sperm.`,
    }, this.image, this.layer, this.labels);
    this.scaleBar = h("div", { class: "scale-bar" }, h("span"), h("i"));
    this.place = h("output", { class: "place" });
    this.element = h("div", { class: "viewer" }, this.svg, this.scaleBar, this.place, this.#zoomButtons());
    for (const one of field.sperm) this.#draw(one);
    this.#listen();
    this.refresh();
  }

  /** Fit the picture into the space there is. */
  fit() {
    const box = this.svg.getBoundingClientRect();
    if (!box.width || !box.height) return;
    const scale = Math.max(this.field.width / box.width, this.field.height / box.height);
    this.#set((this.field.width - box.width * scale) / 2, (this.field.height - box.height * scale) / 2, scale);
    this.fitted = true;
  }

  /** Enlarge by a factor around a point of the screen (the middle by default). */
  zoom(factor, at = null) {
    const box = this.svg.getBoundingClientRect();
    const px = at ? at.clientX - box.left : box.width / 2;
    const py = at ? at.clientY - box.top : box.height / 2;
    const widest = 1.5 * Math.max(this.field.width / box.width, this.field.height / box.height);
    const scale = Math.min(widest, Math.max(1 / MOST, this.#view.scale / factor));
    const x = this.#view.x + px * (this.#view.scale - scale);
    const y = this.#view.y + py * (this.#view.scale - scale);
    this.#set(x, y, scale);
  }

  /** Move the picture by screen pixels. */
  pan(dx, dy) {
    this.#set(this.#view.x - dx * this.#view.scale, this.#view.y - dy * this.#view.scale, this.#view.scale);
  }

  /** Bring a sperm into view; `closely` fills the view with it. */
  look(sperm, closely = false) {
    const around = this.#box(sperm);
    const box = this.svg.getBoundingClientRect();
    if (!around || !box.width) return;
    const { scale, x, y } = this.#view;
    const inside = around.x >= x && around.y >= y
      && around.x + around.width <= x + box.width * scale && around.y + around.height <= y + box.height * scale;
    if (inside && !closely) return;
    const needed = 1.25 * Math.max(around.width / box.width, around.height / box.height, 60 / box.width);
    const next = closely ? Math.max(needed, 1 / MOST) : Math.max(scale, needed);
    this.#set(around.x + around.width / 2 - (box.width * next) / 2,
      around.y + around.height / 2 - (box.height * next) / 2, next);
  }

  /** Draw again what is switched on, chosen and rejected. */
  refresh() {
    const { field } = this;
    for (const sperm of field.sperm) {
      const { group, label } = this.#groups.get(sperm.sperm_id);
      const rejected = sperm.review.rejected;
      const style = rejected ? "rejected" : sperm.complete ? "whole" : "alone";
      group.setAttribute("class", `sperm ${style}`);
      let any = false;
      for (const node of group.children) {
        const on = field.visible(sperm, node.dataset.part);
        node.toggleAttribute("hidden", !on);
        any ||= on;
      }
      group.classList.toggle("chosen", sperm === field.chosen);
      group.classList.toggle("hovered", sperm === field.hovered);
      label.toggleAttribute("hidden", !any || !field.switches.numbers);
      label.setAttribute("class", `${style}${sperm === field.chosen ? " chosen" : ""}`);
    }
    if (field.chosen) this.layer.append(this.#groups.get(field.chosen.sperm_id).group);
  }

  /** How strongly masks cover the picture, 0 to 1. */
  cover(value) {
    this.svg.style.setProperty("--cover", value);
  }

  /** Stop listening to the window. */
  close() {
    this.observer.disconnect();
  }

  #draw(sperm) {
    const group = s("g", { "data-sperm": sperm.sperm_id });
    group.style.setProperty("--colour", sperm.colour);
    for (const kind of DRAWN) {
      if (!sperm.parts.has(kind)) continue;
      const d = outline(sperm.parts.get(kind).polygons);
      group.append(s("g", { class: FAMILIES.head.includes(kind) ? "head" : "tail", "data-part": kind },
        s("path", { d, class: "touch" }), s("path", { d, class: "halo" }), s("path", { d, class: "mask" })));
    }
    this.layer.append(group);
    const at = anchor(sperm);
    const label = s("text", { x: at.x, y: at.y }, String(sperm.sperm_id));
    label.style.setProperty("--colour", sperm.colour);
    this.labels.append(label);
    this.#groups.set(sperm.sperm_id, { group, label });
  }

  #box(sperm) {
    const boxes = [...sperm.parts.values()].map(({ bbox: [x, y, width, height] }) => [x, y, x + width, y + height]);
    if (!boxes.length) return null;
    const [x, y] = [0, 1].map((axis) => Math.min(...boxes.map((box) => box[axis])));
    const [right, bottom] = [2, 3].map((axis) => Math.max(...boxes.map((box) => box[axis])));
    return { x, y, width: right - x, height: bottom - y };
  }

  #set(x, y, scale) {
    const box = this.svg.getBoundingClientRect();
    const { width, height } = this.field;
    // At least a fifth of the view stays covered by the picture: nobody gets lost.
    const margin = 0.2;
    x = Math.min(width - box.width * scale * margin, Math.max(-box.width * scale * (1 - margin), x));
    y = Math.min(height - box.height * scale * margin, Math.max(-box.height * scale * (1 - margin), y));
    this.#view = { x, y, scale };
    this.fitted = false;
    this.svg.setAttribute("viewBox", `${x} ${y} ${box.width * scale} ${box.height * scale}`);
    this.svg.style.setProperty("--unit", scale);
    this.svg.classList.toggle("close", scale < 0.25);
    this.#drawScale();
  }

  #drawScale() {
    const size = this.field.pixelSize;
    const most = 150 * this.#view.scale * (size ?? 1);
    const length = roundLength(most);
    this.scaleBar.firstChild.textContent = `${length} ${size ? "µm" : "px"}`;
    this.scaleBar.lastChild.style.width = `${(150 * length) / most}px`;
  }

  #zoomButtons() {
    const button = (sign, label, act) =>
      h("button", { type: "button", "aria-label": label, title: label, onclick: act }, icon(sign));
    return h("div", { class: "zoom" },
      button("plus", "Enlarge", () => this.zoom(STEP * STEP)),
      button("dash", "Reduce", () => this.zoom(1 / (STEP * STEP))),
      button("fit", "Whole picture", () => this.fit()));
  }

  #listen() {
    const { svg, field } = this;
    this.observer = new ResizeObserver(() => {
      if (!this.#view || this.fitted) this.fit();
      else this.#set(this.#view.x, this.#view.y, this.#view.scale);
    });
    this.observer.observe(svg);
    for (const type of ["choice", "hover", "shown", "review"]) field.addEventListener(type, () => this.refresh());
    field.addEventListener("choice", ({ detail }) => {
      if (field.chosen && detail.by !== "picture") this.look(field.chosen);
    });
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event);
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#drag = { x: event.clientX, y: event.clientY, moved: false };
    });
    svg.addEventListener("pointermove", (event) => this.#move(event));
    svg.addEventListener("pointerup", (event) => {
      if (this.#drag && !this.#drag.moved) field.choose(spermAt(event.target), "picture");
      this.#drag = null;
      svg.classList.remove("moving");
    });
    svg.addEventListener("pointercancel", () => { this.#drag = null; });
    svg.addEventListener("pointerleave", () => {
      field.hover(null);
      this.place.textContent = "";
    });
    svg.addEventListener("dblclick", (event) => this.zoom(2, event));
    svg.addEventListener("keydown", (event) => this.#key(event));
  }

  #move(event) {
    if (this.#drag) {
      const [dx, dy] = [event.clientX - this.#drag.x, event.clientY - this.#drag.y];
      if (!this.#drag.moved && Math.hypot(dx, dy) < 4) return;
      if (!this.#drag.moved) {
        this.svg.setPointerCapture(event.pointerId);
        this.svg.classList.add("moving");
      }
      this.pan(dx, dy);
      this.#drag = { x: event.clientX, y: event.clientY, moved: true };
      return;
    }
    this.field.hover(spermAt(event.target));
    const box = this.svg.getBoundingClientRect();
    const x = Math.floor(this.#view.x + (event.clientX - box.left) * this.#view.scale);
    const y = Math.floor(this.#view.y + (event.clientY - box.top) * this.#view.scale);
    const inside = x >= 0 && y >= 0 && x < this.field.width && y < this.field.height;
    this.place.textContent = inside ? `x ${x}, y ${y}` : "";
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 240 : 60;
    const act = {
      "+": () => this.zoom(STEP), "=": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP), 0: () => this.fit(),
      ArrowLeft: () => this.pan(far, 0), ArrowRight: () => this.pan(-far, 0),
      ArrowUp: () => this.pan(0, far), ArrowDown: () => this.pan(0, -far),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

/** SVG path data of polygons with holes (even-odd). */
function outline(polygons) {
  return polygons.flat().map((ring) => `M${ring.map(([x, y]) => `${x} ${y}`).join("L")}Z`).join("");
}

/** Where a sperm's number stands: at the upper right of its head, or at its tail's highest point. */
function anchor(sperm) {
  const head = FAMILIES.head.map((kind) => sperm.parts.get(kind)).find(Boolean);
  const [part] = head ? [head] : sperm.parts.values();
  const points = part?.polygons.flatMap((polygon) => polygon[0]) ?? [];
  let best = points[0] ?? [0, 0];
  for (const point of points) {
    if (head ? point[0] - point[1] > best[0] - best[1] : point[1] < best[1]) best = point;
  }
  return { x: best[0], y: best[1] };
}

function spermAt(target) {
  const group = target.closest?.("[data-sperm]");
  return group ? Number(group.dataset.sperm) : null;
}
