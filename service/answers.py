"""Kept results → answers: JSON and every format of `cascade.exports`, with what people said of each sperm."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cascade import records
from cascade.exports import coco, geojson, imagej, labels, overlay
from service.errors import ProblemError

Row = Mapping[str, Any]
Reviews = Mapping[int, Row]
"""Sperm id → what was said about it: `rejected`, `comment`, `at`, `by`."""

_PART_OF = {one["id"]: (one["name"], one["supercategory"]) for one in coco.CATEGORIES}


class Format(StrEnum):
    """Formats of one image's result."""

    JSON = "json"
    COCO = "coco"
    GEOJSON = "geojson"
    IMAGEJ = "imagej"
    TIFF = "tiff"
    OVERLAY = "overlay"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.COCO: "application/vnd.cs3.coco+json",
    Format.GEOJSON: "application/geo+json",
    Format.IMAGEJ: "application/zip",
    Format.TIFF: "image/tiff",
    Format.OVERLAY: "image/png",
}

SUFFIX_OF = {
    Format.JSON: ".json",
    Format.COCO: ".coco.json",
    Format.GEOJSON: ".geojson",
    Format.IMAGEJ: ".imagej.zip",
    Format.TIFF: ".labels.tif",
    Format.OVERLAY: ".overlay.png",
}


@dataclass(frozen=True)
class Kept:
    """One image's result as it is kept.

    Attributes:
        task: its row in the database.
        document: what `engine.work` found, and `waited`.
        reviews: what was said about its sperm.
    """

    task: Row
    document: Mapping[str, Any]
    reviews: Reviews

    @property
    def record(self) -> records.Record:
        """For the exports."""
        names = ("seconds", "stages", "rows", "annotations", "result")
        return records.decode({name: self.document[name] for name in names})

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of `sperm.csv` without `file_name`, with `rejected` and `comment`."""
        return [row | self._said(row["sperm_id"]) for row in self.document["rows"]]

    @property
    def annotated(self) -> coco.AnnotatedImage:
        """The image's part of a COCO document, with `rejected` and `comment` in every annotation."""
        height, width = self.document["result"]["shape"]
        found = [one | self._said(one["sperm_id"]) for one in self.document["annotations"]]
        return coco.AnnotatedImage(self.task["file_name"], (height, width), found)

    def _said(self, sperm_id: int) -> dict[str, Any]:
        review = self.reviews.get(sperm_id)
        return {
            "rejected": bool(review and review["rejected"]),
            "comment": review["comment"] if review else "",
        }


def segmentation(kept: Kept) -> dict[str, Any]:
    """As `schemas.Segmentation` shows it."""
    task, document, result = kept.task, kept.document, kept.document["result"]
    height, width = result["shape"]
    return {
        "job_id": task["job_id"],
        "number": task["number"],
        "file_name": task["file_name"],
        "image_sha256": task["sha256"],
        "width": width,
        "height": height,
        "pixel_size_um": result["pixel_size"],
        "head_length_px": result["head_length"],
        "head_length_source": result["head_length_source"],
        "notes": list(result.get("notes", ())),
        "sperm": _sperm(kept),
        "timings": {
            "waited": document["waited"],
            "total": document["seconds"],
            "stages": document["stages"],
        },
        "model": {"name": result["model"], "sha256": result["model_sha256"]},
        "version": document["version"],
    }


def _sperm(kept: Kept) -> list[dict[str, Any]]:
    document = kept.document
    parts: dict[int, list[dict[str, Any]]] = {}
    found = {one["sperm_id"]: one for one in document["result"]["sperm"]}
    for annotation, outline in zip(document["annotations"], document["polygons"], strict=True):
        name, group = _PART_OF[annotation["category_id"]]
        one = found[annotation["sperm_id"]][{"head": "head", "flagellum": "tail"}[group]]
        parts.setdefault(annotation["sperm_id"], []).append(
            {
                "part": name,
                "category_id": annotation["category_id"],
                "score": one["score"],
                "bbox": annotation["bbox"],
                "area_px2": annotation["area"],
                "rle": annotation["segmentation"],
                "polygons": outline,
                "centreline": one["centreline"] if name == "tail" else None,
            }
        )
    head = ("sperm_id", "score", "complete")
    return [
        {name: row[name] for name in head}
        | {
            "colour": document["colours"][str(row["sperm_id"])],
            "parts": parts.get(row["sperm_id"], []),
            "measurements": {name: value for name, value in row.items() if name not in head},
            "review": _shown_review(kept.reviews.get(row["sperm_id"])),
        }
        for row in document["rows"]
    ]


def _shown_review(review: Row | None) -> dict[str, Any] | None:
    if review is None:
        return None
    return {name: review[name] for name in ("rejected", "comment", "by")} | {"at": moment(review["at"])}


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 → RFC 3339."""
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )


def encode(kept: Kept, wanted: Format, load: Callable[[], bytes]) -> bytes:
    """One image's result in a format.

    Args:
        kept: the result.
        wanted: the format.
        load: gives the picture shown, a JPEG; called only where it is drawn on.

    Raises:
        ProblemError: the picture is needed and was deleted.
    """
    if wanted == Format.JSON:
        return dump(segmentation(kept))
    if wanted == Format.COCO:
        return dump(coco.document([kept.annotated]))
    if wanted == Format.GEOJSON:
        document = geojson.collection(kept.task["file_name"], kept.record.result, kept.rows)
        _mark_reviews(document, kept)
        return dump(document)
    if wanted == Format.IMAGEJ:
        return imagej.archive(kept.record.result)
    if wanted == Format.TIFF:
        with tempfile.TemporaryDirectory(prefix="cs3-") as folder:
            path = Path(folder) / "labels.tif"
            labels.write(path, kept.record.result)
            return path.read_bytes()
    return _overlay(kept, load())


def _overlay(kept: Kept, jpeg: bytes) -> bytes:
    result = kept.record.result
    shown = Image.open(io.BytesIO(jpeg), formats=["JPEG"]).convert("RGB")
    height, width = result.shape
    if shown.size != (width, height):  # a large picture is kept reduced
        shown = shown.resize((width, height))
    wanted = tuple(one for one in result.sperm if not kept._said(one.sperm_id)["rejected"])
    return overlay.png(np.array(shown), replace(result, sperm=wanted))


def _mark_reviews(document: dict[str, Any], kept: Kept) -> None:
    for feature in document["features"]:
        properties = feature["properties"]
        sperm_id = int(properties["name"].split()[1])
        properties |= kept._said(sperm_id)
        if properties["rejected"]:
            properties["classification"] = {"name": "Rejected", "color": [120, 120, 120]}


def dump(document: Any) -> bytes:
    """JSON, as short as it goes."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def choose(accept: str, wanted: str | None, offered: Mapping[Any, str]) -> Any:
    """The format that a request asks for: by name where it names one, else by its Accept header.

    Args:
        accept: the header; empty accepts all.
        wanted: the parameter `format`.
        offered: format → media type, the preferred first.

    Raises:
        ProblemError: 406, with what there is.
    """
    names = {str(one): one for one in offered}
    if wanted is not None and wanted in names:
        return names[wanted]
    if wanted is None:
        for pattern in _by_preference(accept or "*/*"):
            for one, media_type in offered.items():
                kind = media_type.partition("/")[0]
                if pattern in ("*/*", f"{kind}/*", media_type):
                    return one
    raise ProblemError(
        406,
        "not-acceptable",
        f"Expected one of the formats {', '.join(names)} ({', '.join(offered.values())}), found "
        f"{'another' if wanted is None else 'an unknown'} one.",
        "Name one of them in the parameter format or in the header Accept.",
    )


def _by_preference(accept: str) -> list[str]:
    """Media ranges of an Accept header, the preferred first, refused ones (q=0) left out."""
    ranges = []
    for item in accept.split(","):
        pattern, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if quality > 0:
            ranges.append((pattern, quality))
    specific = {pattern: (pattern.count("*") == 0) + (not pattern.startswith("*")) for pattern, _ in ranges}
    return [p for p, _ in sorted(ranges, key=lambda one: (-one[1], -specific[one[0]]))]
