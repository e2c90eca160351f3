/** A job in figures, from its table of measurements (CSV) as it stands. */

import { h } from "./elements.js";

/**
 * Rows of RFC 4180 CSV as objects by column name.
 * @param text with a header line
 */
export function rows(text) {
  const lines = [[]];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g;
  for (let found; field.lastIndex < text.length && (found = field.exec(text));) {
    lines.at(-1).push(found[1] !== undefined ? found[1].replaceAll('""', '"') : found[2]);
    if (found[3] !== ",") lines.push([]);
  }
  const [names, ...rest] = lines.filter((line) => line.length > 1);
  return rest.map((line) => Object.fromEntries(line.map((value, column) => [names[column], value])));
}

/** The middle value; null for none. */
export function median(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Counts and medians of a job's sperm; rejected ones are counted apart and left out of everything else. */
export function summarise(table) {
  const kept = table.filter((row) => row.rejected !== "true");
  const complete = kept.filter((row) => row.complete === "true");
  const alone = kept.filter((row) => row.complete !== "true");
  const numbers = (from, name) => from.map((row) => row[name]).filter(Boolean).map(Number);
  const middle = (from, name) => {
    const um = numbers(from, `${name}_um`);
    const px = numbers(from, `${name}_px`);
    // µm only where every image has a pixel size: medians of half the images would mislead.
    const [values, unit, digits] = um.length === px.length && um.length ? [um, "µm", 2] : [px, "px", 1];
    const value = median(values);
    return value === null ? "–" : `${value.toFixed(digits)} ${unit}`;
  };
  return {
    sperm: kept.length,
    complete: complete.length,
    headsAlone: alone.filter((row) => row.head_length_px).length,
    tailsAlone: alone.filter((row) => !row.head_length_px).length,
    rejected: table.length - kept.length,
    headLength: middle(kept, "head_length"),
    headWidth: middle(kept, "head_width"),
    tailLength: middle(complete, "tail_length"),
  };
}

/** The figures as a row of terms. */
export function summaryList(figures) {
  const fact = (name, value, hint = null) => h("div", { title: hint }, h("dt", {}, name), h("dd", {}, String(value)));
  return [
    fact("Sperm", figures.sperm, "rejected ones left out, here and in every figure beside"),
    fact("Complete", figures.complete, "head and tail found"),
    fact("Heads alone", figures.headsAlone),
    fact("Tails alone", figures.tailsAlone),
    fact("Rejected", figures.rejected),
    fact("Head length, median", figures.headLength),
    fact("Head width, median", figures.headWidth),
    fact("Tail length, median", figures.tailLength, "of complete sperm"),
  ];
}
