"""Results as a COCO document: one annotation a part, masks as compressed RLE, overlaps kept.

Categories follow the five parts of the Sperm Parsing Dataset (Chen et al., CP-Net) and an undivided head; an
undivided flagellum is a `tail`, an undivided head a `head`. Beside COCO's own fields an annotation has
`sperm_id` (unique in the image), `score` (the sperm's) and `complete` (head and tail found); few have
`remarks`, each with its `kind` and the `sperm_id` of the `other`, as in `types.Remark`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
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
_IDS = {category["name"]: category["id"] for category in CATEGORIES}
_GROUPS = {category["name"]: category["supercategory"] for category in CATEGORIES}
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
        entry | ({"remarks": [asdict(remark) for remark in sperm.remarks]} if sperm.remarks else {})
        for sperm in result.sperm
        for entry in annotate_sperm(
            sperm.sperm_id,
            {
                name: part.region
                for name, part in (("head", sperm.head), ("tail", sperm.tail))
                if part is not None
            },
            float(sperm.score),
            result.shape,
        )
    ]


def annotate_sperm(
    sperm_id: int | str, parts: Mapping[str, Region], score: float, shape: tuple[int, int]
) -> list[dict[str, Any]]:
    """The annotations of one sperm: each part, by its category's name, that has pixels in the image."""
    complete = len({_GROUPS[name] for name in parts}) > 1
    return [
        encoded | {"sperm_id": sperm_id, "score": score, "complete": complete}
        for name, region in parts.items()
        if (encoded := encode(_IDS[name], region, shape))
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


def encode(category: int, region: Region, shape: tuple[int, int]) -> dict[str, Any]:
    """Category, segmentation, area and box (`x, y, width, height`) of what lies in the image; else {}."""
    inside = clipped(region, shape)
    if not inside.area:
        return {}
    inside = Region.from_full(inside.mask, inside.x0, inside.y0)
    x0, y0, x1, y1 = inside.box
    return {
        "category_id": category,
        "segmentation": runs(inside, shape),
        "area": inside.area,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "iscrowd": 0,
    }


def runs(region: Region, shape: tuple[int, int]) -> dict[str, Any]:
    """A region as the compressed RLE of a mask of the whole image; what lies outside is cut off."""
    # Runs go down the columns of the whole image; of the crop alone they are found a hundred times faster.
    inside = clipped(region, shape)
    columns = np.pad(inside.mask.T.astype(np.int8), ((0, 0), (1, 1)))
    x, y = np.nonzero(np.diff(columns, axis=1))
    edges = (x + inside.x0) * shape[0] + y + inside.y0  # starts and ends in turn
    touching = np.flatnonzero(edges[1:-1:2] == edges[2::2])  # a run that goes on in the next column
    edges = np.delete(edges, np.concatenate([2 * touching + 1, 2 * touching + 2]))
    counts = np.diff(np.concatenate([[0], edges, [shape[0] * shape[1]]]))
    if len(edges) and counts[-1] == 0:
        counts = counts[:-1]
    encoded = rle.frPyObjects({"size": list(shape), "counts": counts.tolist()}, *shape)
    return {"size": list(shape), "counts": encoded["counts"].decode("ascii")}


def clipped(region: Region, shape: tuple[int, int]) -> Region:
    """What of a region lies in an image of `(height, width)`."""
    x0, y0, x1, y1 = region.box
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, shape[1]), min(y1, shape[0])
    if (left, top, right, bottom) == (x0, y0, x1, y1):
        return region
    return Region(region.mask[top - y0 : max(bottom, top) - y0, left - x0 : max(right, left) - x0], left, top)
