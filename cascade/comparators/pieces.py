"""Maps of parts → sperm: every head with the flagellum that leads away from it.

A piece of flagellum that several sperm share is divided by the greedy walk: from each head straight on.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from cascade.comparators.protocol import FoundSperm
from cascade.comparators.walking import Walk, walks_from
from cascade.geometry import ellipse_axes, paint_polyline, smooth_polyline
from cascade.preprocess import grown
from cascade.prompts import blob_centres
from cascade.skeleton import trace
from cascade.types import BoolArray, FloatArray, Head, Region

MAPS = ("acrosome", "nucleus", "vacuole", "midpiece", "tail", "head", "flagellum")
"""What each map shows the probability of; a head is its parts together, and so is a flagellum."""
_HEAD_PARTS, _FLAGELLUM_PARTS = (0, 1, 2), (3, 4)
_MIDPIECE, _HEAD, _FLAGELLUM = 3, 5, 6
_LEVEL = 0.5
_LEAST_HEAD = 0.3
"""Share of the median head's area under which a piece is none."""
_WITHOUT_MIDPIECE = 0.3
"""Worth of a walk that begins with none, as a share of one that does."""
_SPUR_HL, _GAP_HL, _NEAR_HL, _WIDTH_HL = 0.25, 1.0, 0.22, 0.06


def sperm_of_maps(maps: FloatArray) -> list[FoundSperm]:
    """Sperm from probabilities `(maps, height, width)` in the order of `MAPS`, the surest first."""
    shape = maps.shape[1], maps.shape[2]
    heads = _heads(_split_heads(maps[_HEAD] > _LEVEL))
    if not heads:
        return []
    head_length = float(np.median([head.length for head in heads]))
    covered = np.zeros(shape, bool)
    for head in heads:
        covered |= head.region.full(shape)
    flagellum = (maps[_FLAGELLUM] > _LEVEL) & ~covered
    skeleton = trace(flagellum & ~grown(covered, 0.03 * head_length), _SPUR_HL * head_length)

    def begins(points: FloatArray) -> float:
        """A flagellum begins with a midpiece."""
        first = points[: max(2, round(0.5 * head_length))]
        x, y = np.clip(np.round(first).astype(int), 0, [shape[1] - 1, shape[0] - 1]).T
        return _WITHOUT_MIDPIECE + (1 - _WITHOUT_MIDPIECE) * float(maps[_MIDPIECE, y, x].mean())

    walks = walks_from(heads, skeleton, head_length, _GAP_HL, begins)
    found = []
    for number, head in enumerate(heads):
        own = np.zeros(shape, bool)
        if number in walks:
            own = _along(walks[number], head, flagellum, head_length) & ~head.region.full(shape)
        found.append(_sperm(maps, head.region.full(shape), own))
    return sorted(found, key=lambda one: -one.score)


def _heads(labels: NDArray[np.int32]) -> list[Head]:
    """Pieces numbered from 1, those left out that are much smaller than the median."""
    boxes = [(number, box) for number, box in enumerate(ndimage.find_objects(labels), 1) if box is not None]
    regions = [Region.from_full(labels[box] == n, box[1].start, box[0].start) for n, box in boxes]
    least = _LEAST_HEAD * float(np.median([region.area for region in regions])) if regions else 0.0
    return [Head(one, 1.0, *ellipse_axes(one)) for one in regions if one.area >= least]


def _along(walk: Walk, head: Head, flagellum: BoolArray, head_length: float) -> BoolArray:
    """The flagellum along a walk; where the walk jumps a gap, a line as wide as flagella are."""
    line = smooth_polyline(np.concatenate([head.centre[None], walk.points]), 2.0, 0.08 * head_length)
    shape = flagellum.shape[0], flagellum.shape[1]
    near = paint_polyline(line, _NEAR_HL * head_length, shape).full(shape)
    return np.asarray((near & flagellum) | paint_polyline(line, _WIDTH_HL * head_length, shape).full(shape))


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
