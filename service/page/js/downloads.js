/** Every format that the service writes, to be kept: for the job, and for the image that is looked at. */

import { download } from "./api.js";
import { h, icon, showTrouble } from "./elements.js";

const JOB = [
  ["zip&include=coco,csv,run,json,geojson,imagej,tiff,overlay", "Everything", "all of the below in one zip"],
  ["csv", "Measurements", "a row a sperm, for spreadsheets"],
  ["coco", "COCO", "masks for programs that train and compare"],
  ["ndjson", "NDJSON", "a line an image: masks, outlines, measurements"],
  ["zip&include=geojson", "GeoJSON", "for QuPath"],
  ["zip&include=imagej", "ImageJ regions", "for Fiji and ImageJ"],
  ["zip&include=tiff", "Label TIFFs", "sperm ids as labels"],
  ["zip&include=overlay", "Overlays", "pictures with what was found"],
];
const IMAGE = [
  ["json", "Result", "masks, outlines, measurements"],
  ["coco", "COCO", null],
  ["geojson", "GeoJSON", "for QuPath"],
  ["imagej", "ImageJ regions", "for Fiji"],
  ["tiff", "Label TIFF", null],
  ["overlay", "Overlay", null],
];

/**
 * The menu of downloads.
 * @param job the job
 * @param image `() → image` looked at, or null
 */
export function downloadMenu(job, image) {
  const entry = (address, title, hint, otherwise = () => "") => h("li", {}, h("button", { type: "button", class: "entry", onclick: async () => {
    close();
    try {
      await download(address(), otherwise());
    } catch (error) {
      showTrouble(error);
    }
  } }, h("span", {}, title), hint ? h("small", { class: "soft" }, hint) : null));
  const single = h("div", {}, h("h3", {}, "This image"), h("ul", {}, IMAGE.map(([format, title, hint]) => entry(
    () => `v1/jobs/${job.id}/images/${image().number}/result?format=${format}`, title, hint,
    () => `${image().file_name.split("/").pop()}.${format}`))));
  const menu = h("div", { class: "menu", id: "downloads" },
    h("div", {}, h("h3", {}, "The whole job"), h("ul", {}, JOB.map(([format, title, hint]) => entry(
      () => `v1/jobs/${job.id}/results?format=${format}`, title, hint)))), single);
  const opener = h("summary", { id: "download" }, icon("down"), "Download");
  const details = h("details", { class: "downloads" }, opener, menu);
  const close = () => { details.open = false; };
  details.addEventListener("toggle", () => { single.hidden = !image(); });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.stopPropagation();
    close();
    opener.focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !details.contains(event.relatedTarget)) close();
  });
  const outside = (event) => {
    if (!details.isConnected) document.removeEventListener("pointerdown", outside);
    else if (!details.contains(event.target)) close();
  };
  document.addEventListener("pointerdown", outside);
  return details;
}
