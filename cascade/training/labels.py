"""Annotated images at the size at which supervised methods see them, decoded once and kept in memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from cascade.benchmark.annotations import read_annotations
from cascade.comparators.protocol import TrainingData
from cascade.comparators.scale import shrunk, working_scale
from cascade.errors import AnnotationError, ImageError
from cascade.images import read_image
from cascade.preprocess import normalise
from cascade.types import Region, UInt8Array

HEAD, FLAGELLUM = ("acrosome", "nucleus", "vacuole", "head"), ("midpiece", "tail")
_HELD_OUT = 0.1
"""Least share of the images that is held out."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Parts = Mapping[str, Region]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image at working size, and what each expert outlined in it.

    Attributes:
        pixels: `(height, width, 3)` RGB uint8, normalised.
        experts: for each expert, each sperm's parts.
    """

    pixels: UInt8Array
    experts: tuple[tuple[Parts, ...], ...]


def choose_images(truths: Sequence[Path], folder: Path, until: date | None = None) -> TrainingData:
    """What to learn from and what to hold out: the latest days, whole, that make a tenth of the images.

    Args:
        truths: COCO files, one an expert.
        folder: of the image files.
        until: leave out images whose names hold a later date.

    Raises:
        AnnotationError: a truth is damaged, a name holds no date, or all images are of one day.
        ImageError: an image file is missing.
    """
    known = sorted({name for path in truths for name in read_annotations(path)})
    days: dict[date, list[str]] = {}
    for name in known:
        if until is None or day_of(name) <= until:
            days.setdefault(day_of(name), []).append(name)
    if len(days) < 2:
        raise AnnotationError(
            f"expected images of two days or more, the latest to be held out, found {len(days)} among "
            f"{len(known)} images; name a file of more days, or a later --until"
        )
    names = [name for several in days.values() for name in several]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ImageError(
            f"{folder}: expected the images that the truth lists, found {len(missing)} of {len(names)} "
            f"missing, first {missing[0]!r}; name the folder that holds them"
        )
    held: list[str] = []
    for day in sorted(days, reverse=True)[:-1]:
        held = days[day] + held
        if len(held) >= _HELD_OUT * len(names):
            break
    taught = [name for name in names if name not in held]
    return TrainingData(
        tuple(truths), {name: folder / name for name in taught}, {name: folder / name for name in held}
    )


def day_of(name: str) -> date:
    """The date (`YYYY-MM-DD`) in a file name.

    Raises:
        AnnotationError: there is none.
    """
    written = _DAY.search(name)
    try:
        return date.fromisoformat(written.group() if written else "")
    except ValueError as error:
        raise AnnotationError(
            f"expected a date (YYYY-MM-DD) in every image's name, found {name!r}; rename the images"
        ) from error


def read_labelled(truths: Sequence[Path], images: Mapping[str, Path]) -> list[LabelledImage]:
    """Read images with every expert's outlines, at working size.

    Raises:
        AnnotationError: a truth is damaged, or of another size than its image.
        ImageError: an image cannot be read.
    """
    experts = [read_annotations(path) for path in truths]
    out = []
    for name, path in images.items():
        pixels = normalise(read_image(path).pixels)
        shape = pixels.shape[:2]
        labels = []
        for truth, known in zip(truths, experts, strict=True):
            if name in known and known[name].shape != shape:
                raise AnnotationError(
                    f"{truth}: {name}: expected height, width {shape} as in the image, found "
                    f"{known[name].shape}; annotate the image itself"
                )
            sperm = known[name].sperm() if name in known else []
            labels.append(tuple(_at_working_size(one.parts, (shape[0], shape[1])) for one in sperm))
        out.append(LabelledImage(shrunk(pixels), tuple(labels)))
    return out


def union(parts: Parts, names: Iterable[str]) -> Region:
    """All pixels of these parts; empty where there are none."""
    region = Region(np.zeros((0, 0), bool), 0, 0)
    for name in names:
        region = region.union(parts[name]) if name in parts else region
    return region


def _at_working_size(parts: Parts, shape: tuple[int, int]) -> Parts:
    scale = working_scale(shape)
    small = {name: _resized(region, scale) for name, region in parts.items()}
    return {name: region for name, region in small.items() if region.area}


def _resized(region: Region, scale: float) -> Region:
    """A region at another scale: pixels that it covers by half."""
    if not region.area:
        return region
    x0, y0, x1, y1 = region.box
    left, top = math.floor(x0 * scale), math.floor(y0 * scale)
    width, height = math.ceil(x1 * scale) - left, math.ceil(y1 * scale) - top
    # A pixel of the result looks at the middle of those that it stands for: their mean, at half the size.
    there = np.array(
        [
            [1 / scale, 0, (left + 0.5) / scale - 0.5 - x0],
            [0, 1 / scale, (top + 0.5) / scale - 0.5 - y0],
        ]
    )
    covered = region.mask.astype(np.float32)
    if scale < 0.4:
        covered = np.asarray(cv2.blur(covered, (max(1, round(1 / scale)),) * 2), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return Region.from_full(cv2.warpAffine(covered, there, (width, height), flags=flags) >= 0.5, left, top)
