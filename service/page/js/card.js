/** The chosen sperm: its main figures, its parts on and off, reject, comment. */

import { announce, h, icon, showTrouble } from "./elements.js";
import { length } from "./measures.js";

export class SpermCard {
  #saving = Promise.resolve();

  /**
   * @param field what is looked at
   * @param keep `(sperm_id, {rejected, comment}) → Promise` of the review as the service kept it
   * @param back called when the comment is left by Escape
   */
  constructor(field, keep, back) {
    this.field = field;
    this.keep = keep;
    this.back = back;
    this.element = h("section", { class: "card", "aria-label": "Chosen sperm" });
    field.addEventListener("choice", () => this.#build());
    field.addEventListener("shown", () => this.#ticks());
    this.#build();
  }

  /** Reject the chosen sperm, or take it back. */
  reject() {
    const sperm = this.field.chosen;
    if (sperm) this.#save(sperm, (kept) => ({ ...kept, rejected: !kept.rejected }));
  }

  /** Go to the comment of the chosen sperm. */
  comment() {
    this.text?.focus();
  }

  #build() {
    const sperm = this.field.chosen;
    this.text = null;
    if (!sperm) {
      this.element.replaceChildren(h("p", { class: "soft" },
        "Choose a sperm in the picture or the table to see its parts, reject it or leave a comment."));
      return;
    }
    const swatch = h("i", { class: `swatch ${sperm.complete ? "" : "alone"}` });
    swatch.style.setProperty("--colour", sperm.colour);
    const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
    this.rejecting = h("button", { type: "button", class: "wrong", id: "reject", onclick: () => this.reject() });
    this.text = h("textarea", { id: "comment", rows: "2", maxlength: "2000", placeholder: "What is wrong or worth knowing",
      onkeydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) say();
        if (event.key === "Escape") this.back();
        event.stopPropagation();
      },
      onchange: () => say(), // who goes on to the next sperm has not to think of saving
      oninput: () => this.#state() }, sperm.review.comment);
    const { text } = this;
    const say = () => this.#save(sperm, (kept) => ({ ...kept, comment: text.value.trim() }));
    this.saving = h("button", { type: "button", id: "save-comment", onclick: say }, "Save comment");
    this.kept = h("span", { class: "soft small", role: "status" });
    this.element.replaceChildren(
      h("header", {},
        h("h2", {}, swatch, `Sperm ${sperm.sperm_id}`),
        h("span", { class: "soft" }, `${sperm.what}, score ${sperm.score.toFixed(2)}`),
        h("span", { class: "parts" }, [...sperm.parts.keys()].map((part) =>
          h("label", { class: "tick" }, h("input", { type: "checkbox", "data-part": part, checked: this.field.shown(sperm, part),
            onchange: (event) => this.field.show(sperm, event.target.checked, [part]) }), part)))),
      h("dl", {},
        fact("Head", sperm.what !== "tail alone" ? `${length(sperm.measurements, "head_length")} × ${length(sperm.measurements, "head_width")}` : "not found"),
        fact("Tail", sperm.what !== "head alone" ? length(sperm.measurements, "tail_length") : "not found"),
        sperm.measurements.touches_border ? fact("Note", "touches the border, may be cut off") : null,
        sperm.measurements.remarks ? fact("Remark", sperm.measurements.remarks) : null),
      h("div", { class: "review-form" },
        h("label", { for: "comment" }, "Comment"), this.text,
        h("div", { class: "review-buttons" }, this.rejecting, this.saving, this.kept)));
    this.#state();
  }

  #state() {
    const sperm = this.field.chosen;
    const { rejected, comment } = sperm.review;
    this.rejecting.setAttribute("aria-pressed", String(rejected));
    this.rejecting.replaceChildren(icon("cross"), rejected ? "Rejected" : "Reject");
    this.rejecting.title = rejected ? "Take it back: count this sperm again" : "Leave this sperm out of counts and medians";
    this.saving.disabled = this.text.value.trim() === comment;
  }

  #ticks() {
    const sperm = this.field.chosen;
    for (const tick of this.element.querySelectorAll("[data-part]")) {
      tick.checked = this.field.shown(sperm, tick.dataset.part);
    }
  }

  /** Reviews go to the service one after the other, each a change of what is kept by then: none undoes another. */
  #save(sperm, change) {
    this.#saving = this.#saving.then(async () => {
      const review = change({ rejected: sperm.review.rejected, comment: sperm.review.comment });
      if (review.rejected === sperm.review.rejected && review.comment === sperm.review.comment) return;
      try {
        this.field.reviewed(sperm.sperm_id, await this.keep(sperm.sperm_id, review));
        announce(`Sperm ${sperm.sperm_id}: ${review.rejected ? "rejected" : "counted"}${review.comment ? ", comment kept" : ""}`);
        if (this.field.chosen !== sperm) return;
        this.#state();
        this.kept.textContent = "Kept with the result";
      } catch (error) {
        showTrouble(error);
      }
    });
    return this.#saving;
  }
}
