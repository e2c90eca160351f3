/** The table of measurements: sorted by any column, linked with the picture through the field. */

import { announce, h, icon } from "./elements.js";
import { columns } from "./measures.js";

const ORDER = { complete: 0, "head alone": 1, "tail alone": 2 };

export class MeasureTable {
  #rows = new Map();
  #sort = { key: "sperm_id", down: false };
  #all = false;

  constructor(field) {
    this.field = field;
    this.head = h("thead");
    this.body = h("tbody");
    const more = h("label", { class: "tick" },
      h("input", { type: "checkbox", id: "all-columns", onchange: (event) => {
        this.#all = event.target.checked;
        this.#build();
      } }), "All measurements");
    this.counted = h("span", { class: "soft" });
    this.element = h("section", { class: "table", "aria-labelledby": "table-title" },
      h("header", {}, h("h2", { id: "table-title" }, "Measurements"), this.counted, more),
      h("div", { class: "table-scroll" },
        h("table", { role: "grid", "aria-labelledby": "table-title" }, this.head, this.body)));
    this.body.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("pointerover", (event) => field.hover(idOf(event.target)));
    this.body.addEventListener("pointerleave", () => field.hover(null));
    this.body.addEventListener("click", (event) => {
      if (!event.target.closest("input")) field.choose(idOf(event.target), "table");
    });
    field.addEventListener("choice", () => this.#refresh(true));
    for (const type of ["hover", "shown"]) field.addEventListener(type, () => this.#refresh());
    field.addEventListener("review", () => {
      const inside = this.body.contains(document.activeElement);
      this.#build();
      if (inside) this.focus();
    });
    this.#build();
  }

  /** Sperm in the order in which the table shows them. */
  get order() {
    return [...this.body.rows].map((row) => Number(row.dataset.sperm));
  }

  /** Put the focus on the chosen row, or the first. */
  focus() {
    (this.body.querySelector('tr[tabindex="0"]') ?? this.head.querySelector("button"))?.focus();
  }

  #columns() {
    return [
      { key: "sperm_id", label: "Sperm", unit: "", value: (one) => one.sperm_id, text: String },
      { key: "what", label: "Found", unit: "", value: (one) => ORDER[one.what], cell: found, word: true },
      { key: "score", label: "Score", unit: "", value: (one) => one.score, text: (value) => value.toFixed(2) },
      ...columns(this.field.pixelSize !== null, this.#all),
      { key: "review", label: "Review", unit: "", value: (one) => rank(one.review), cell: review, word: true },
    ];
  }

  #build() {
    const shown = this.#columns();
    const by = shown.find((column) => column.key === this.#sort.key) ?? shown[0];
    const sperm = [...this.field.sperm].sort((a, b) => compare(by.value(a), by.value(b), this.#sort.down)
      || a.sperm_id - b.sperm_id);
    this.head.replaceChildren(h("tr", {}, this.#allShown(), shown.map((column) => this.#heading(column))));
    this.#rows.clear();
    this.body.replaceChildren(...sperm.map((one) => this.#row(one, shown)));
    const rejected = sperm.filter((one) => one.review.rejected).length;
    this.counted.textContent = `${sperm.length} sperm${rejected ? `, ${rejected} rejected` : ""}`;
    this.#refresh();
  }

  #allShown() {
    this.everyone = h("input", { type: "checkbox", "aria-label": "Show all sperm",
      onchange: (event) => this.field.showAll(event.target.checked) });
    return h("th", { scope: "col", class: "show" }, this.everyone);
  }

  #heading(column) {
    const sorted = column.key === this.#sort.key;
    const order = sorted ? (this.#sort.down ? "descending" : "ascending") : null;
    const sign = this.#sort.down ? "falling" : "rising";
    const sort = () => {
      this.#sort = { key: column.key, down: sorted && !this.#sort.down };
      this.#build();
      this.head.querySelector(`[data-key="${column.key}"]`).focus();
      announce(`Sorted by ${column.label}, ${this.#sort.down ? "falling" : "rising"}`);
    };
    return h("th", { scope: "col", "aria-sort": order, class: column.word ? "word" : null },
      h("button", { type: "button", "data-key": column.key, onclick: sort },
        h("span", {}, column.label, column.unit ? h("small", {}, ` ${column.unit}`) : null), sorted ? icon(sign) : null));
  }

  #row(sperm, shown) {
    const tick = h("input", { type: "checkbox", tabindex: "-1", "aria-label": `Show sperm ${sperm.sperm_id}`,
      onchange: (event) => this.field.show(sperm, event.target.checked) });
    const cells = shown.slice(1).map((column) => h("td", { class: column.word ? "word" : null },
      column.cell ? column.cell(sperm) : column.text(column.value(sperm))));
    const swatch = h("i", { class: `swatch ${sperm.complete ? "" : "alone"}` });
    swatch.style.setProperty("--colour", sperm.colour);
    const row = h("tr", { "data-sperm": sperm.sperm_id, class: sperm.review.rejected ? "rejected" : null },
      h("td", { class: "show" }, tick),
      h("th", { scope: "row" }, h("span", {}, swatch, String(sperm.sperm_id), signs(sperm.review))), cells);
    this.#rows.set(sperm.sperm_id, { row, tick, sperm });
    return row;
  }

  #refresh(follow = false) {
    const { chosen, hovered } = this.field;
    let some = false;
    let every = true;
    for (const { row, tick, sperm } of this.#rows.values()) {
      const on = [...sperm.parts.keys()].map((part) => this.field.shown(sperm, part));
      tick.checked = on.some(Boolean);
      tick.indeterminate = tick.checked && !on.every(Boolean);
      some ||= tick.checked;
      every &&= on.every(Boolean);
      row.setAttribute("aria-selected", String(sperm === chosen));
      row.classList.toggle("hovered", sperm === hovered);
      row.tabIndex = sperm === chosen ? 0 : -1;
    }
    this.everyone.checked = some;
    this.everyone.indeterminate = some && !every;
    const now = chosen ? this.#rows.get(chosen.sperm_id)?.row : this.body.rows[0];
    if (!now) return;
    now.tabIndex = 0;
    if (!follow || !chosen) return;
    now.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (this.body.contains(document.activeElement)) now.focus({ preventScroll: true });
  }

  #key(event) {
    const rows = [...this.body.rows];
    const at = rows.indexOf(event.target.closest("tr"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const row = rows[Math.min(rows.length - 1, Math.max(0, to))];
    this.field.choose(Number(row.dataset.sperm), "table");
    row.focus({ preventScroll: true });
  }
}

/** Unknown values come last, whichever way the rest is sorted. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  return (down ? -1 : 1) * (a - b);
}

function rank(kept) {
  return kept.rejected ? 0 : kept.comment ? 1 : 2;
}

function found(sperm) {
  return h("span", { class: "found" }, icon(sperm.complete ? "check" : "dash"), sperm.what);
}

/** Beside the number, where they are seen without scrolling; the column says them in words. */
function signs({ rejected, comment }) {
  const cross = icon("cross");
  cross.classList.add("no");
  return [rejected ? cross : null, comment ? icon("comment") : null];
}

function review({ review: kept }) {
  const signs = [];
  if (kept.rejected) signs.push(h("span", { class: "no" }, icon("cross"), "rejected"));
  if (kept.comment) signs.push(h("span", { title: kept.comment }, icon("comment"), h("span", { class: "unseen" }, "comment: "),
    h("span", { class: "said" }, kept.comment)));
  return h("span", { class: "review" }, signs);
}

function idOf(target) {
  const row = target.closest?.("tr[data-sperm]");
  return row ? Number(row.dataset.sperm) : null;
}
