/** The images of a job as a list of links, each with its state. */

import { count, h, stateOf } from "./elements.js";

export class Strip {
  #entries = new Map();

  constructor(jobId) {
    this.jobId = jobId;
    this.list = h("ol");
    this.title = h("h2");
    this.element = h("nav", { class: "strip", "aria-labelledby": "strip-title" }, this.title, this.list);
    this.title.id = "strip-title";
  }

  /** Draw an image's line, new or changed. */
  set(image) {
    const found = image.state === "succeeded" && image.sperm !== null && image.sperm !== undefined
      ? h("span", { class: "soft" }, `${image.sperm} sperm, ${image.complete} complete`)
      : stateOf(image.state === "blocked" ? "queued" : image.state);
    const link = h("a", { href: `#/jobs/${this.jobId}/${image.number}`, title: image.error ?? image.file_name },
      h("span", { class: "name" }, image.file_name), found);
    const entry = this.#entries.get(image.number);
    const line = h("li", { "data-number": image.number }, link);
    if (image.number === this.current) link.setAttribute("aria-current", "true");
    if (entry) {
      const focused = entry.contains(document.activeElement);
      entry.replaceWith(line);
      if (focused) link.focus();
    } else {
      // Nearly always the last one: a thousand images must not look through each other.
      let before = this.list.lastElementChild;
      while (before && Number(before.dataset.number) > image.number) before = before.previousElementSibling;
      this.list.insertBefore(line, before ? before.nextSibling : this.list.firstChild);
    }
    this.#entries.set(image.number, line);
    this.title.textContent = count(this.#entries.size, "image");
    this.element.hidden = this.#entries.size < 2;
  }

  /** Mark the image that is looked at. */
  mark(number) {
    this.current = number;
    for (const [other, line] of this.#entries) {
      if (other === number) line.firstChild.setAttribute("aria-current", "true");
      else line.firstChild.removeAttribute("aria-current");
    }
    const line = this.#entries.get(number);
    if (!line) return;
    // Scrolls the list alone; scrollIntoView would move the whole page on small screens.
    const { offsetTop, offsetHeight } = line;
    const { scrollTop, clientHeight } = this.list;
    if (offsetTop < scrollTop) this.list.scrollTop = offsetTop;
    else if (offsetTop + offsetHeight > scrollTop + clientHeight) this.list.scrollTop = offsetTop + offsetHeight - clientHeight;
  }
}
