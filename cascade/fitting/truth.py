"""What outlines say of links, pairs and sperm: right, wrong, or nothing.

Each expert judges alone; a candidate is right or wrong where most experts say so, else it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.geometry import polyline_length
from cascade.synthesis import SyntheticSmear
from cascade.types import FloatArray, Head, Region, Sperm, Tail

_ON, _OFF = 0.7, 0.4
"""A line is on a flagellum with this share of its points, and off it with less than that."""
_BESIDE_HL = 0.06
"""Points this far from an outline still count as on it: skeletons are off by a few pixels."""
_MOST_TURN, _SURELY_BACK = 90.0, 135.0
"""Ends of one flagellum that turn less go on as each other; those that turn more than the second do not."""
_SAME_HEAD, _SAME_SPERM = 0.5, 0.5
"""Least IoU of a head, and of a whole sperm, with its outline."""
_NECK_APART_HL = 0.2
"""A flagellum that is nearer to one neck than to the other by this much leaves there."""


class Judge:
    """One expert's view of one image.

    Args:
        sperm: what the expert outlined.
        head_length: pixels.
    """

    def __init__(self, sperm: Sequence[AnnotatedSperm], head_length: float) -> None:
        self._sperm, self._unit = sperm, head_length
        reach = max(1, round(_BESIDE_HL * head_length))
        self._flagella = [_grown(one.flagellum, reach) for one in sperm]

    def link(self, first: FloatArray, second: FloatArray, turn: float) -> bool | None:
        """Whether a line goes on as another: both ends lie on one flagellum, and it does not turn back.

        Args:
            first, second: `(n, 2)` points of either line near its end.
            turn: from the one's direction to the other's, degrees.
        """
        a, b = self._share(first), self._share(second)
        if not len(a) or max(a.max(), b.max()) < _ON:
            return None
        both = np.minimum(a, b).max()
        if both >= _ON:
            return True if turn <= _MOST_TURN else False if turn >= _SURELY_BACK else None
        return False if both < _OFF else None

    def pair(self, head: Head, tail: Tail, reverse: bool, necks: FloatArray, neck: FloatArray) -> bool | None:
        """Whether a tail leaves a head at a neck with this end.

        Args:
            head, tail: found.
            reverse: whether the tail's last point is the end.
            necks: `(2, 2)` both ends of the head.
            neck: `(2,)` the one in question.
        """
        k = self._head(head)
        if k is None or not self._sperm[k].flagellum.area:
            return None
        share = self._share(tail.centreline)[k]
        if share < _ON:
            return False if share < _OFF else None
        flagellum = pixels_of(self._sperm[k].flagellum)
        away = [float(np.hypot(*(flagellum - place).T).min()) for place in necks]
        if abs(away[0] - away[1]) < _NECK_APART_HL * self._unit:
            return None
        here = int(np.argmin(np.hypot(*(necks - neck).T)))
        if here != int(np.argmin(away)):
            return False
        line = tail.centreline[::-1] if reverse else tail.centreline
        near, far = (float(np.hypot(*(end - necks[here]))) for end in (line[0], line[-1]))
        return near <= far or polyline_length(line) <= self._unit

    def sperm(self, found: Sperm) -> bool:
        """Whether a sperm is outlined so."""
        region = found.region
        return any(region.iou(one.whole) >= _SAME_SPERM for one in self._sperm)

    def _head(self, head: Head) -> int | None:
        over = [head.region.iou(one.head) for one in self._sperm]
        return int(np.argmax(over)) if over and max(over) >= _SAME_HEAD else None

    def _share(self, points: FloatArray) -> FloatArray:
        """Of the points, those on each flagellum: `(sperm,)` 0–1."""
        return np.array([_inside(region, points) for region in self._flagella])


def majority(votes: Sequence[bool | None]) -> bool | None:
    """What more than half of the experts say; None: they do not."""
    for say in (True, False):
        if 2 * sum(vote is say for vote in votes) > len(votes):
            return say
    return None


def exact(smear: SyntheticSmear) -> list[AnnotatedSperm]:
    """The truth of a synthetic smear as an expert who sees everything would outline it."""
    out = []
    for one in smear.sperm:
        parts = {"head": one.head, "tail": one.flagellum}
        out.append(AnnotatedSperm(1.0, {name: part for name, part in parts.items() if part is not None}))
    return out


def pixels_of(region: Region) -> FloatArray:
    """`(n, 2)` x, y of a region's pixels."""
    ys, xs = np.nonzero(region.mask)
    return np.stack([xs + region.x0, ys + region.y0], -1).astype(float)


def _grown(region: Region, reach: int) -> Region:
    if not region.area:
        return region
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = cv2.dilate(np.pad(region.mask, reach).astype(np.uint8), disc) > 0
    return Region(mask, region.x0 - reach, region.y0 - reach)


def _inside(region: Region, points: FloatArray) -> float:
    if not region.area or not len(points):
        return 0.0
    x, y = np.round(points).astype(int).T - np.array([[region.x0], [region.y0]])
    height, width = region.mask.shape
    within = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    return float(region.mask[y[within], x[within]].sum() / len(points))
