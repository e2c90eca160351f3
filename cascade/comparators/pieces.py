"""Maps of parts → sperm: every head with the flagellum that is connected to it.

Where several heads hang together, each pixel of flagellum belongs to the head that is nearest along the
flagellum (a watershed from the heads).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from cascade.comparators.protocol import FoundSperm
from cascade.geometry import ellipse_axes
from cascade.preprocess import grown
from cascade.prompts import blob_centres
from cascade.types import BoolArray, FloatArray, Region

MAPS = ("acrosome", "nucleus", "vacuole", "midpiece", "tail", "head", "flagellum")
"""What each map shows the probability of; a head is its parts together, and so is a flagellum."""
_HEAD_PARTS, _FLAGELLUM_PARTS = (0, 1, 2), (3, 4)
_HEAD, _FLAGELLUM = 5, 6
_LEVEL = 0.5
_LEAST_HEAD = 0.3
"""Share of the median head's area under which a piece is none."""


def sperm_of_maps(maps: FloatArray) -> list[FoundSperm]:
    """Sperm from probabilities `(maps, height, width)` in the order of `MAPS`, the surest first."""
    heads = _split_heads(maps[_HEAD] > _LEVEL)
    count = int(heads.max())
    if not count:
        return []
    areas = np.bincount(heads.ravel(), minlength=count + 1)[1:]
    keep = np.flatnonzero(areas >= _LEAST_HEAD * np.median(areas)) + 1
    flagellum = (maps[_FLAGELLUM] > _LEVEL) & (heads == 0)
    both = grown(flagellum | (heads > 0), 1.5)
    owner = watershed(np.zeros(both.shape, np.uint8), np.where(np.isin(heads, keep), heads, 0), mask=both)
    found = [_sperm(maps, heads == label, flagellum & (owner == label)) for label in keep.tolist()]
    return sorted(found, key=lambda one: -one.score)


def _split_heads(mask: BoolArray) -> NDArray[np.int32]:
    """Pieces of the head map, cut at their waists, numbered from 1."""
    labels, count = ndimage.label(mask)
    if not count:
        return np.zeros(mask.shape, np.int32)
    widths = [
        ellipse_axes(Region(labels[box] == number, 0, 0))[3]
        for number, box in enumerate(ndimage.find_objects(labels), 1)
        if box is not None
    ]
    markers = np.zeros(mask.shape, np.int32)
    for number, (x, y) in enumerate(blob_centres(mask, 0.7 * float(np.median(widths))), 1):
        markers[round(y), round(x)] = number
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(watershed(-depth, markers, mask=mask), np.int32)


def _sperm(maps: FloatArray, head: BoolArray, flagellum: BoolArray) -> FoundSperm:
    """Divide head and flagellum into the parts that are most probable there."""
    parts = {}
    for mask, names in ((head, _HEAD_PARTS), (flagellum, _FLAGELLUM_PARTS)):
        ys, xs = np.nonzero(mask)
        if not len(ys):
            continue
        best = np.argmax(maps[names[0] : names[-1] + 1, ys, xs], axis=0)
        for number, channel in enumerate(names):
            if (best == number).any():
                own = np.zeros(mask.shape, bool)
                own[ys[best == number], xs[best == number]] = True
                parts[MAPS[channel]] = Region.from_full(own)
    sure = [float(maps[channel][mask].mean()) for channel, mask in ((5, head), (6, flagellum)) if mask.any()]
    return FoundSperm(parts, float(np.mean(sure)) if len(sure) == 2 else 0.5 * sure[0])
