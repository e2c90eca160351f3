"""A first look at a picture without labels: where its heads and flagella are, and how long a head is.

One encoding by `tiny` says it (two where the assumed head length is far off); the cascade is not run, because
what is measured here are medians over many pixels, not single sperm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from cascade.errors import ImageError
from cascade.geometry import ellipse_axes
from cascade.images import read_image
from cascade.preprocess import normalise
from cascade.sam.protocol import DenseMaps
from cascade.sam.tiny import Tiny, TinyEncoding
from cascade.types import BoolArray, Region, UInt8Array

_FALLBACK = 0.068
"""Head length over image width of usual fields, where no head says otherwise."""
_RESCALE = 1.15
_SURE = 0.5


@dataclass(frozen=True, eq=False)
class Survey:
    """What one encoding of a picture says.

    Attributes:
        image: `(height, width, 3)` RGB.
        normalised: the same, background at `WHITE`.
        encoding: of `normalised`, at the scale of `head_length`.
        heads: one region a head that the border does not cut; touching heads are left out.
        head_length: median long axis of the heads, pixels; assumed from the width where there is no head.
    """

    image: UInt8Array
    normalised: UInt8Array
    encoding: TinyEncoding
    heads: tuple[Region, ...]
    head_length: float

    @property
    def maps(self) -> DenseMaps:
        """Heads and flagella, pixel by pixel."""
        return self.encoding.dense


def look_at(image: UInt8Array, model: Tiny) -> Survey:
    """Survey one picture, `(height, width, 3)` RGB."""
    normalised = normalise(image)
    assumed = _FALLBACK * image.shape[1]
    encoding = model.encode(normalised, assumed)
    heads, length = _heads(encoding.dense.head > _SURE, assumed, 2.5)
    if length and max(length / assumed, assumed / length) > _RESCALE:
        encoding = model.encode(normalised, length)
        heads, again = _heads(encoding.dense.head > _SURE, length, 1.4)
        length = again or length
    return Survey(image, normalised, encoding, heads, length or assumed)


def readable(files: Iterable[Path], skipped: list[str]) -> Iterator[UInt8Array]:
    """First pictures of files, `(height, width, 3)` RGB; why others cannot be read is added to `skipped`."""
    for file in files:
        try:
            yield read_image(file).pixels
        except ImageError as error:
            skipped.append(str(error))


def _heads(mask: BoolArray, assumed: float, freedom: float) -> tuple[tuple[Region, ...], float]:
    """Blobs that may be one head each, at most `freedom` times as long or short as assumed; their median."""
    labels, _ = ndimage.label(mask)
    height, width = mask.shape
    found, lengths = [], []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        if rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width:
            continue
        region = Region(labels[rows, columns] == number, columns.start, rows.start)
        if region.area < 0.2 * (assumed / freedom) ** 2:
            continue
        _, _, long, short = ellipse_axes(region)
        is_oval = region.area > 0.9 * np.pi / 4 * long * short and 1.15 < long / short < 3
        if is_oval and assumed / freedom < long < assumed * freedom:
            found.append(region)
            lengths.append(long)
    return tuple(found), float(np.median(lengths)) if lengths else 0.0
