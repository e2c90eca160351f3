"""`sam`: one pass of automatic mask generation, as the Segment Anything Model ships it.

A grid of points over the whole image, every mask that the model gives for them, the doubtful and the double
ones dropped: no cascade, no foreground, no matching. Each mask is one sperm. So that it can be scored at all,
what is thick in a mask is called head and the rest flagellum; a model that knows parts is asked for both at
each point, and the answers to one point are one sperm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.comparators.identity import identity
from cascade.comparators.protocol import FoundSperm
from cascade.config import CS3Config
from cascade.head_length import assumed_head_length
from cascade.heads import sampled
from cascade.instances import without
from cascade.preprocess import normalise
from cascade.prompts import as_prompts, grid
from cascade.sam.protocol import Encoding, Part, PromptableModel
from cascade.types import BoolArray, FloatArray, Region, UInt8Array

_SIDE = 32
_CHUNK = 64
_LEAST: dict[Part | None, tuple[float, float]] = {
    None: (0.88, 0.95),
    "head": (0.5, 0.4),
    "tail": (0.25, 0.3),
}
"""Least score and stability of a mask. None: those of SAM's own generator, for masks of unknown parts. The
masks of a part are coarser, and their scores lower."""
_STABILITY_OFFSET = 1.0
_MOST_OVERLAP = 0.7
_MOST_AREA = 0.1
"""Share of the image beyond which a mask is background, and no sperm."""
_LEAST_AREA = 3e-5
_HEAD_OPENING_HL = 0.14
"""Radius of the opening that a head survives and a flagellum does not."""


@dataclass(frozen=True, eq=False)
class _Mask:
    """One mask of one point, snapped to nothing."""

    region: Region
    score: float
    point: int


class SamGrid:
    """A promptable model asked on a grid.

    Args:
        model: loaded.
        side: points a side of the grid.
    """

    name = "sam"

    def __init__(self, model: PromptableModel, side: int = _SIDE) -> None:
        self._model, self._side = model, side
        self.identity = identity(self.name, model=model.sha256, side=side)

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        shape = image.shape[0], image.shape[1]
        head_length, _ = assumed_head_length(shape, CS3Config())
        encoding = self._model.encode(normalise(image), head_length)
        points = grid(shape, self._side)
        if encoding.dense is None:
            masks = _distinct(list(_masks(encoding, points, None, shape)))
            return [_divided(mask, shape, head_length) for mask in masks]
        heads = list(_masks(encoding, points, "head", shape))
        # Where a point is on no sperm's head or flagellum, there is no use in asking for the rest.
        asked = sorted({mask.point for mask in heads})
        tails = list(_masks(encoding, points[asked], "tail", shape))
        return _of_parts(heads, {asked[mask.point]: mask for mask in tails})


def _masks(
    encoding: Encoding, points: FloatArray, part: Part | None, shape: tuple[int, int]
) -> Iterator[_Mask]:
    """The sure and stable masks of all points; part None: whatever the model gives."""
    area = shape[0] * shape[1]
    least_score, least_stability = _LEAST[part]
    for start in range(0, len(points), _CHUNK):  # in chunks, so that memory stays flat
        some = points[start : start + _CHUNK]
        masks = encoding.decode(as_prompts([point[None] for point in some]), part or "tail")
        for number, (candidates, scores) in enumerate(zip(masks.logits, masks.scores, strict=True), start):
            for logits, score in zip(candidates, scores, strict=True):
                if score < least_score or _stability(logits) < least_stability:
                    continue
                region = _region(logits, masks.scale, shape)
                if _LEAST_AREA * area <= region.area <= _MOST_AREA * area:
                    yield _Mask(region, min(1.0, float(score)), number)


def _stability(logits: FloatArray) -> float:
    """IoU of the mask cut a little higher and a little lower: near 1 where the edge is sharp."""
    high = int(np.count_nonzero(logits > _STABILITY_OFFSET))
    return high / max(1, int(np.count_nonzero(logits > -_STABILITY_OFFSET)))


def _region(logits: FloatArray, scale: float, shape: tuple[int, int]) -> Region:
    """A mask at the image's own pixels."""
    ys, xs = np.nonzero(logits > 0)
    if not len(ys):
        return Region(np.zeros((0, 0), bool), 0, 0)
    x0, x1 = max(int(xs.min() / scale) - 2, 0), min(int((xs.max() + 1) / scale) + 3, shape[1])
    y0, y1 = max(int(ys.min() / scale) - 2, 0), min(int((ys.max() + 1) / scale) + 3, shape[0])
    return Region.from_full(sampled(logits, scale, x0, y0, x1, y1) > 0, x0, y0)


def _distinct(masks: list[_Mask], whole: bool = False) -> list[_Mask]:
    """The surest masks, none of which is nearly another; `whole`: and none is a piece of another."""
    kept: list[_Mask] = []
    for mask in sorted(masks, key=lambda one: -one.score):
        if all(_overlap(mask.region, other.region, whole) < _MOST_OVERLAP for other in kept):
            kept.append(mask)
    return kept


def _overlap(one: Region, other: Region, of_smaller: bool) -> float:
    if not of_smaller:
        return one.iou(other)
    return one.intersection_area(other) / max(1, min(one.area, other.area))


def _divided(mask: _Mask, shape: tuple[int, int], head_length: float) -> FoundSperm:
    """A mask of unknown parts: what is thick is head."""
    padded: NDArray[np.uint8] = np.pad(mask.region.mask.astype(np.uint8), 1)
    thickest = float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max())
    reach = max(1, round(max(_HEAD_OPENING_HL * head_length, 0.5 * thickest)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    padded = np.pad(padded[1:-1, 1:-1], reach)
    thick: BoolArray = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[reach:-reach, reach:-reach] > 0
    head = Region.from_full(thick & mask.region.mask, mask.region.x0, mask.region.y0)
    parts = {"head": head, "tail": without(mask.region, head)}
    return FoundSperm({name: part for name, part in parts.items() if part.area}, mask.score)


def _of_parts(heads: list[_Mask], tails: Mapping[int, _Mask]) -> list[FoundSperm]:
    """Sperm of a model that answers a point with the head and with the flagellum of the same sperm.

    Args:
        heads: of all points.
        tails: point → flagellum.
    """
    out = []
    for head in _distinct(heads, whole=True):
        same = [
            tails[one.point]
            for one in heads
            if one.point in tails and _overlap(one.region, head.region, True) >= _MOST_OVERLAP
        ]
        parts, score = {"head": head.region}, 0.5 * head.score
        if same:
            tail = max(same, key=lambda one: one.score)
            rest = without(tail.region, head.region)
            if rest.area:
                parts["tail"], score = rest, float(np.sqrt(head.score * tail.score))
        out.append(FoundSperm(parts, score))
    return sorted(out, key=lambda one: -one.score)
