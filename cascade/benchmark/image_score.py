"""One image of one expert against a prediction: everything that figures over images are made of.

An `ImageScore` holds a few numbers a sperm. Figures of many images, of resampled images, and of two methods'
images mixed are then sums over such scores (`figures`); masks are looked at only here, and only once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cascade.benchmark.annotations import FLAGELLUM_PARTS, HEAD_PARTS, PART_GROUPS, WHOLE, AnnotatedSperm
from cascade.benchmark.crossings import count_crossings
from cascade.types import BoolArray, FloatArray, Region

# `arange` gives a hair more than 0.75: what overlaps by exactly three quarters is a hit at 0.75 in COCO, and
# none in the all-point figures, which have always been computed so; on real outlines it does happen.
LEVELS = np.arange(0.5, 1.0, 0.05)  # of whole-sperm IoU
COCO_LEVELS = np.linspace(0.5, 0.95, 10)
PART_LEVELS = np.arange(0.1, 1.0, 0.1)  # of mean part IoU, as in parsing benchmarks (APp, "vol")


@dataclass(frozen=True, eq=False)
class ImageScore:
    """What one image says about a prediction; T true sperm, P predicted ones that have a head.

    Attributes:
        overlap: `(T, P)` IoU of whole sperm.
        part_overlap: `(T, P)` mean IoU of their parts; 0 for pairs that do not overlap.
        scores: `(P,)` how sure the method was.
        mates: `(T,)` index of the prediction paired with each true sperm, -1 where none is.
        part_iou: part group → `(T,)` IoU with the mate's; NaN where the truth lacks the part.
        correct_parts: `(T,)` share of the true parts that the mate has with an IoU of 0.5 or more.
        recall: `(T,)` share of the true centreline on the mate's flagellum; NaN without a flagellum.
        precision: `(P,)` share of the predicted centreline on the mate's flagellum; NaN without a flagellum.
        cl_dice: `(T,)` harmonic mean of a pair's two; NaN where the truth has no flagellum.
        length_error: `(T,)` difference of the centrelines' lengths over the true one; NaN likewise.
        common, either: part → pixels that both, or either, of truth and prediction give to that part.
        crossings: `(T,)` of the flagellum with others in the truth.
    """

    overlap: FloatArray
    part_overlap: FloatArray
    scores: FloatArray
    mates: NDArray[np.int_]
    part_iou: Mapping[str, FloatArray]
    correct_parts: FloatArray
    recall: FloatArray
    precision: FloatArray
    cl_dice: FloatArray
    length_error: FloatArray
    common: Mapping[str, int]
    either: Mapping[str, int]
    crossings: NDArray[np.int_]

    @property
    def true(self) -> int:
        """Number of true sperm."""
        return int(self.overlap.shape[0])

    @property
    def predicted(self) -> int:
        """Number of predicted sperm that count."""
        return int(self.overlap.shape[1])

    @cached_property
    def paired(self) -> FloatArray:
        """`(T,)` IoU of every true sperm with its mate, 0 without one."""
        out = np.zeros(self.true)
        found = self.mates >= 0
        out[found] = self.overlap[found, self.mates[found]]
        return out

    def of(self, keep: BoolArray) -> ImageScore:
        """Some of the true sperm, `(T,)` bool, with all predictions: for figures over true sperm only."""
        return replace(
            self,
            overlap=self.overlap[keep],
            part_overlap=self.part_overlap[keep],
            mates=self.mates[keep],
            part_iou={name: values[keep] for name, values in self.part_iou.items()},
            correct_parts=self.correct_parts[keep],
            recall=self.recall[keep],
            cl_dice=self.cl_dice[keep],
            length_error=self.length_error[keep],
            crossings=self.crossings[keep],
        )

    @cached_property
    def hits(self) -> BoolArray:
        """`(L, P)` whether a prediction is a hit at each of `LEVELS`."""
        return claim(self.overlap, self.scores, LEVELS)

    @cached_property
    def coco_hits(self) -> BoolArray:
        """`(L, P)` the same at each of `COCO_LEVELS`."""
        return claim(self.overlap, self.scores, COCO_LEVELS)

    @cached_property
    def part_hits(self) -> BoolArray:
        """`(L, P)` the same for the mean part IoU at each of `PART_LEVELS`."""
        return claim(self.part_overlap, self.scores, PART_LEVELS)


def score_image(
    truth: Sequence[AnnotatedSperm],
    found: Sequence[AnnotatedSperm],
    shape: tuple[int, int],
    fine: Sequence[str],
) -> ImageScore:
    """Pair predicted sperm with true ones, one to one, for the largest sum of IoU, and measure every pair.

    Args:
        truth: of the expert.
        found: of the prediction, without those that have no head (`AnnotatedImage.scored`).
        shape: `(height, width)` of the image.
        fine: the parts that parsing figures look at (see `finest_parts`).
    """
    overlap = overlaps(truth, found)
    mates = pair(overlap)
    pairs = [(t, found[m] if m >= 0 else None) for t, m in zip(truth, mates, strict=True)]
    true_parts, found_parts = [_split(s, fine) for s in truth], [_split(s, fine) for s in found]
    part_iou = _part_iou(pairs)
    recall, precision, cl_dice = _centrelines(truth, found, mates)
    common, either = _areas(true_parts, found_parts, shape, fine)
    return ImageScore(
        overlap=overlap,
        part_overlap=_part_overlap(overlap, true_parts, found_parts),
        scores=np.array([sperm.score for sperm in found], float),
        mates=mates,
        part_iou=part_iou,
        correct_parts=_correct_parts(true_parts, [found_parts[m] if m >= 0 else {} for m in mates]),
        recall=recall,
        precision=precision,
        cl_dice=cl_dice,
        length_error=np.array([_length_error(t, mate) for t, mate in pairs], float),
        common=common,
        either=either,
        crossings=count_crossings(truth),
    )


def finest_parts(truth: set[str], predicted: set[str]) -> tuple[str, ...]:
    """The parts that a prediction separates and the truth too: those that parsing figures look at.

    Args:
        truth, predicted: names of all parts that each has; an empty prediction separates nothing.
    """
    if WHOLE in truth | predicted:
        return (WHOLE,)
    both = truth & predicted
    head = HEAD_PARTS[:3] if "nucleus" in both else ("head",)
    return head + (FLAGELLUM_PARTS if "midpiece" in both else ("flagellum",))


def claim(overlap: FloatArray, scores: FloatArray, levels: FloatArray) -> BoolArray:
    """At every level, in order of score, each prediction takes the best true sperm still free.

    Args:
        overlap: `(T, P)`.
        scores: `(P,)`.
        levels: `(L,)` least overlap of a hit.

    Returns:
        `(L, P)`: hit or not.
    """
    hits = np.zeros((len(levels), len(scores)), bool)
    if not overlap.size:
        return hits
    order = np.argsort(-scores, kind="stable")
    for hit, level in zip(hits, levels, strict=True):
        free = overlap.copy()
        for p in order:
            best = int(free[:, p].argmax())
            if free[best, p] >= level:
                hit[p] = True
                free[best] = -1.0
    return hits


def overlaps(truth: Sequence[AnnotatedSperm], found: Sequence[AnnotatedSperm]) -> FloatArray:
    """`(T, P)` IoU of whole sperm."""
    values = [[t.whole.iou(p.whole) for p in found] for t in truth]
    return np.array(values, float).reshape(len(truth), len(found))


def pair(overlap: FloatArray) -> NDArray[np.int_]:
    """One to one for the largest sum: `(T,)` index of the mate, -1 without one (or without overlap)."""
    mates = np.full(len(overlap), -1)
    rows, columns = linear_sum_assignment(-overlap)
    touching = overlap[rows, columns] > 0
    mates[rows[touching]] = columns[touching]
    return mates


def _split(sperm: AnnotatedSperm, fine: Sequence[str]) -> dict[str, Region]:
    """The parts that a sperm has, as finely as asked."""
    if WHOLE in fine:
        return {WHOLE: sperm.whole}
    return {name: sperm.groups[name] for name in fine if name in sperm.groups}


def _part_overlap(
    overlap: FloatArray, truth: Sequence[Mapping[str, Region]], found: Sequence[Mapping[str, Region]]
) -> FloatArray:
    """Mean part IoU of every pair that overlaps; a part that only one of them has counts as 0."""
    out = np.zeros_like(overlap)
    for t, p in zip(*np.nonzero(overlap), strict=True):
        names = truth[t].keys() | found[p].keys()
        both = truth[t].keys() & found[p].keys()
        out[t, p] = sum(truth[t][name].iou(found[p][name]) for name in both) / max(1, len(names))
    return out


def _part_iou(pairs: Sequence[tuple[AnnotatedSperm, AnnotatedSperm | None]]) -> dict[str, FloatArray]:
    out = {name: np.full(len(pairs), np.nan) for name in PART_GROUPS}
    for number, (truth, mate) in enumerate(pairs):
        for name, region in truth.groups.items():
            out[name][number] = region.iou(mate.groups[name]) if mate and name in mate.groups else 0.0
    return out


def _correct_parts(
    truth: Sequence[Mapping[str, Region]], mates: Sequence[Mapping[str, Region]]
) -> FloatArray:
    shares = [
        sum(region.iou(mate[name]) >= 0.5 for name, region in parts.items() if name in mate) / len(parts)
        if parts
        else 0.0
        for parts, mate in zip(truth, mates, strict=True)
    ]
    return np.array(shares, float)


def _centrelines(
    truth: Sequence[AnnotatedSperm], found: Sequence[AnnotatedSperm], mates: NDArray[np.int_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Recall and clDice of every true sperm, precision of every predicted one."""
    recall, cl_dice, precision = (
        np.full(len(truth), np.nan),
        np.full(len(truth), np.nan),
        np.full(len(found), np.nan),
    )
    truth_of = {int(m): truth[t] for t, m in enumerate(mates) if m >= 0}
    for p, sperm in enumerate(found):
        if sperm.flagellum.area:
            precision[p] = _covered(sperm, truth_of.get(p))
    for t, sperm in enumerate(truth):
        if sperm.flagellum.area:
            recall[t] = _covered(sperm, found[mates[t]] if mates[t] >= 0 else None)
            back = float(np.nan_to_num(precision[mates[t]])) if mates[t] >= 0 else 0.0
            cl_dice[t] = 2 * recall[t] * back / (recall[t] + back) if recall[t] and back else 0.0
    return recall, precision, cl_dice


def _covered(sperm: AnnotatedSperm, other: AnnotatedSperm | None) -> float:
    """Share of a sperm's centreline that lies on the other's flagellum."""
    if other is None:
        return 0.0
    return sperm.centreline.intersection_area(other.flagellum) / max(1, sperm.centreline.area)


def _length_error(truth: AnnotatedSperm, mate: AnnotatedSperm | None) -> float:
    if not truth.flagellum.area:
        return np.nan
    if mate is None or not mate.flagellum.area:
        return 1.0
    return abs(mate.centreline.area - truth.centreline.area) / max(1, truth.centreline.area)


def _areas(
    truth: Sequence[Mapping[str, Region]],
    found: Sequence[Mapping[str, Region]],
    shape: tuple[int, int],
    fine: Sequence[str],
) -> tuple[dict[str, int], dict[str, int]]:
    """Pixels of every part, whosever it is: in both, and in either."""
    common, either = {}, {}
    for name in fine:
        if any(name in parts for parts in (*truth, *found)):
            a, b = (_paint([p[name] for p in some if name in p], shape) for some in (truth, found))
            common[name], either[name] = int(np.count_nonzero(a & b)), int(np.count_nonzero(a | b))
    return common, either


def _paint(regions: Sequence[Region], shape: tuple[int, int]) -> BoolArray:
    canvas = np.zeros(shape, bool)
    for region in regions:
        x0, y0, x1, y1 = region.box
        canvas[y0:y1, x0:x1] |= region.mask
    return canvas
