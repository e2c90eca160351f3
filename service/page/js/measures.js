/** Measurements as a table shows them: which columns, under what names and units, with how many digits. */

// name in the results less its unit, heading, kind, whether it is among the first columns
const KNOWN = [
  ["head_length", "Head length", "length", true],
  ["head_width", "Head width", "length", true],
  ["tail_length", "Tail length", "length", true],
  ["head_area", "Head area", "area", true],
  ["head_ellipticity", "Ellipticity", "ratio", true],
  ["tail_width", "Tail width", "length", false],
  ["tail_tortuosity", "Tortuosity", "ratio", false],
  ["head_tail_angle", "Head–tail angle", "angle", true],
  ["head_perimeter", "Head perimeter", "length", false],
  ["head_elongation", "Elongation", "ratio", false],
  ["head_rugosity", "Rugosity", "ratio", false],
  ["head_regularity", "Regularity", "ratio", false],
  ["tail_area", "Tail area", "area", false],
  ["head_angle", "Head angle", "angle", false],
  ["head_x", "Head x", "place", false],
  ["head_y", "Head y", "place", false],
  ["head_score", "Head score", "ratio", false],
  ["tail_score", "Tail score", "ratio", false],
];
const ENDINGS = { length: ["px", "um"], area: ["px2", "um2"], angle: ["deg"], place: ["px"], ratio: [""] };
const UNITS = { px: "px", um: "µm", px2: "px²", um2: "µm²", deg: "°", "": "" };
const DIGITS = { px: 1, um: 2, px2: 0, um2: 2, deg: 0, "": 2 };

/** What a sperm is, in words. */
export function what(sperm) {
  if (sperm.complete) return "complete";
  return sperm.parts.some(({ part }) => part === "tail" || part === "midpiece") ? "tail alone" : "head alone";
}

/**
 * The columns of measurements.
 * @param known whether the size of a pixel is known: then lengths are in µm
 * @param all every measurement, not the first columns only
 */
export function columns(known, all) {
  return KNOWN.filter(([, , , first]) => first || all).map(([name, label, kind]) => {
    const endings = ENDINGS[kind];
    const ending = known && endings.length > 1 ? endings[1] : endings[0];
    return {
      key: ending ? `${name}_${ending}` : name,
      label,
      unit: UNITS[ending],
      value: (sperm) => sperm.measurements[ending ? `${name}_${ending}` : name] ?? null,
      text: (value) => (value === null ? "–" : value.toFixed(DIGITS[ending])),
    };
  });
}

/** A length with its unit, in µm where the size of a pixel is known. */
export function length(measurements, name) {
  const um = measurements[`${name}_um`];
  if (typeof um === "number") return `${um.toFixed(2)} µm`;
  const px = measurements[`${name}_px`];
  return typeof px === "number" ? `${px.toFixed(1)} px` : "–";
}

/** The greatest of 1, 2, 5 times a power of ten that is not above `most`, for scale bars. */
export function roundLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].find((step) => step * power <= most) * power;
}
