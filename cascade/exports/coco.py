"""Results as a COCO document: one annotation a part, masks as compressed RLE, overlaps kept.

Categories follow the five parts of the Sperm Parsing Dataset (Chen et al., CP-Net) and an undivided head; an
undivided flagellum is a `tail`, an undivided head a `head`. Beside COCO's own fields an annotation has
`sperm_id` (unique in the image), `score` (the sperm's) and `complete` (head and tail found).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from pycocotools import mask as rle

from cascade.types import Region, Result

CATEGORIES: tuple[dict[str, Any], ...] = tuple(
    {"id": number, "name": name, "supercategory": group}
    for number, name, group in (
        (1, "acrosome", "head"),
        (2, "nucleus", "head"),
        (3, "vacuole", "head"),
        (4, "midpiece", "flagellum"),
        (5, "tail", "flagellum"),
        (6, "head", "head"),
    )
)
HEAD, TAIL = 6, 5
_HEADER = {"info": {"description": "Sperm found by CS3"}, "categories": list(CATEGORIES)}


@dataclass(frozen=True)
class AnnotatedImage:
    """An image's part of the document; ids are given when the document is put together.

    Attributes:
        file_name: the image's name in the results.
        shape: `(height, width)`.
        annotations: COCO annotations without `id` and `image_id`.
    """

    file_name: str
    shape: tuple[int, int]
    annotations: list[dict[str, Any]]


def annotate(file_name: str, result: Result) -> AnnotatedImage:
    """One result, ready for the document."""
    return AnnotatedImage(file_name, result.shape, annotate_parts(result))


def annotate_parts(result: Result) -> list[dict[str, Any]]:
    """The annotations of one result: each sperm's head and tail, as far as they have pixels in the image."""
    return [
        encoded | {"sperm_id": sperm.sperm_id, "score": float(sperm.score), "complete": sperm.complete}
        for sperm in result.sperm
        for category, part in ((HEAD, sperm.head), (TAIL, sperm.tail))
        if part is not None and (encoded := _encode(category, part.region, result.shape))
    ]


def document(images: Iterable[AnnotatedImage]) -> dict[str, Any]:
    """The whole document as a dict, for libraries; `write` does not hold it in memory."""
    images = list(images)
    numbered = [_numbered(image, number) for number, image in enumerate(images, start=1)]
    everything = [annotation for _, found in numbered for annotation in found]
    return _HEADER | {
        "annotations": [{"id": number} | one for number, one in enumerate(everything, start=1)],
        "images": [entry for entry, _ in numbered],
    }


def write(handle: TextIO, images: Iterable[AnnotatedImage]) -> None:
    """Write the document image by image; only the images' names stay in memory."""
    handle.writelines(pieces(images))


def pieces(images: Iterable[AnnotatedImage]) -> Iterator[str]:
    """The document's text, a piece an annotation; only the images' names stay in memory."""
    yield json.dumps(_HEADER)[:-1] + ', "annotations": ['
    entries, written = [], 0
    for number, image in enumerate(images, start=1):
        entry, found = _numbered(image, number)
        entries.append(entry)
        for annotation in found:
            written += 1
            yield ("\n" if written == 1 else ",\n") + json.dumps({"id": written} | annotation)
    yield '\n], "images": ['
    yield ",".join("\n" + json.dumps(entry) for entry in entries)
    yield "\n]}\n"


def _numbered(image: AnnotatedImage, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    height, width = image.shape
    entry = {"id": number, "file_name": image.file_name, "width": width, "height": height}
    return entry, [{"image_id": number} | annotation for annotation in image.annotations]


def _encode(category: int, region: Region, shape: tuple[int, int]) -> dict[str, Any]:
    """Category, segmentation, area and box (`x, y, width, height`) of what lies in the image; else {}."""
    mask = region.full(shape)
    inside = Region.from_full(mask)
    if not inside.mask.size:
        return {}
    encoded = rle.encode(np.asfortranarray(mask, dtype=np.uint8))
    x0, y0, x1, y1 = inside.box
    return {
        "category_id": category,
        "segmentation": {"size": list(shape), "counts": encoded["counts"].decode("ascii")},
        "area": inside.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }
