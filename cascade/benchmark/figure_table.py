"""From scores of images to figures: of all images, of resampled ones, of a few.

Every figure is made of sums over images (a median and average precision: of ranked values), so a set of
images in which each counts so many times is a row of weights, and a thousand resamples are a thousand rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cascade.benchmark.annotations import PART_GROUPS
from cascade.benchmark.average_precision import Ranking
from cascade.benchmark.image_score import LEVELS, ImageScore
from cascade.types import BoolArray, FloatArray

COUNTS = ("images", "sperm", "predicted")
_AP75 = 5
_PART50 = 4
_PARSING = ("APp50", "APpvol")


@dataclass(frozen=True, eq=False)
class FigureTable:
    """The scores of some images of one expert, laid out for weighing."""

    scores: Sequence[ImageScore]

    def figures(
        self, weights: FloatArray | None = None, only: Collection[str] | None = None
    ) -> dict[str, FloatArray]:
        """Every figure for each row of weights; counts first.

        Args:
            weights: `(B, n)` how often each image counts; once each where None.
            only: names of the figures wanted; all where None.

        Returns:
            Figure → `(B,)`; NaN where nothing is there to measure.
        """
        if weights is None:
            weights = np.ones((1, len(self.scores)))
        out: dict[str, FloatArray] = self._sums(weights)
        out |= self._ranked(weights, only)
        return {name: out[name] for name in FIGURES if name in out and (only is None or name in only)}

    def precision_recall(self, level: float) -> FloatArray:
        """Precision at 101 recalls from 0 to 1, `(101,)`, at the nearest of COCO's levels of IoU."""
        hits = np.concatenate([one.hits[int(np.abs(LEVELS - level).argmin())] for one in self.scores])
        ranking = self._ranking(np.ones((1, len(self.scores))))
        curve: FloatArray = ranking.precision_at_recalls(hits[self._order])[0]
        return curve

    def _ranking(self, weights: FloatArray) -> Ranking:
        return Ranking(
            np.ascontiguousarray(weights[:, self._image[self._order]]), self._total(weights, "true")
        )

    @cached_property
    def _image(self) -> NDArray[np.int_]:
        """`(P,)` of every prediction the image."""
        return np.repeat(np.arange(len(self.scores)), [one.predicted for one in self.scores])

    @cached_property
    def _order(self) -> NDArray[np.int_]:
        """Predictions by falling score; equal ones in the order of the images."""
        return np.argsort(-np.concatenate([one.scores for one in self.scores]), kind="stable")

    @cached_property
    def _hits(self) -> tuple[BoolArray, BoolArray, BoolArray]:
        """`(L, P)` hits of ranked predictions at `LEVELS`, at `COCO_LEVELS` and at `PART_LEVELS`."""
        whole = np.concatenate([one.hits for one in self.scores], axis=1)
        by_coco = np.concatenate([one.coco_hits for one in self.scores], axis=1)
        parts = np.concatenate([one.part_hits for one in self.scores], axis=1)
        return whole[:, self._order], by_coco[:, self._order], parts[:, self._order]

    def _sums(self, weights: FloatArray) -> dict[str, FloatArray]:
        """The figures that are ratios of sums."""
        true, predicted = self._total(weights, "true"), self._total(weights, "predicted")
        good = [one.paired >= 0.5 for one in self.scores]
        hit = weights @ [float(g.sum()) for g in good]
        sure = weights @ [float(one.paired[g].sum()) for one, g in zip(self.scores, good, strict=True)]
        dice = weights @ [float((2 * one.paired / (1 + one.paired)).sum()) for one in self.scores]
        out = {
            "images": weights.sum(axis=1),
            "sperm": true,
            "predicted": predicted,
            "mIoU": ratio(weights @ [float(one.paired.sum()) for one in self.scores], true),
            "mDice": ratio(dice, true),
            "recall50": ratio(hit, true),
            "precision50": ratio(hit, np.maximum(predicted, 1)),
            "F1": ratio(2 * hit, true + predicted),
            "PQ": ratio(2 * sure, true + predicted),
            "PCP50": ratio(weights @ [float(one.correct_parts.sum()) for one in self.scores], true),
        }
        for name in PART_GROUPS:
            out[f"{name} IoU"] = _mean(weights, [one.part_iou[name] for one in self.scores])
        for name, key in (
            ("centreline recall", "recall"),
            ("centreline precision", "precision"),
            ("clDice", "cl_dice"),
        ):
            out[name] = _mean(weights, [getattr(one, key) for one in self.scores])
        out["length error"] = _median(weights, [one.length_error for one in self.scores])
        parts = dict.fromkeys(name for one in self.scores for name in one.either)
        shares = [
            ratio(
                weights @ [float(one.common.get(name, 0)) for one in self.scores],
                weights @ [float(one.either.get(name, 0)) for one in self.scores],
            )
            for name in parts
        ]
        out["parsing mIoU"] = nanmean(np.array(shares).reshape(len(parts), len(weights)))
        return out

    def _total(self, weights: FloatArray, name: str) -> FloatArray:
        total: FloatArray = weights @ [float(getattr(one, name)) for one in self.scores]
        return total

    def _ranked(self, weights: FloatArray, only: Collection[str] | None) -> dict[str, FloatArray]:
        """The figures that hang on the order of scores: the dear ones, so only what is wanted."""

        def wanted(*names: str) -> bool:
            return only is None or any(name in only for name in names)

        if not wanted(
            *(f"{prefix}AP{level}" for prefix in ("", "COCO ") for level in ("", "50", "75")), *_PARSING
        ):
            return {}
        ranking = self._ranking(weights)
        whole, by_coco, parts = self._hits
        out = {}
        for prefix, hits, average in (
            ("", whole, ranking.all_point),
            ("COCO ", by_coco, ranking.at_101_recalls),
        ):
            if wanted(f"{prefix}AP"):
                levels = [average(hit) for hit in hits]
                out[f"{prefix}AP"] = np.mean(levels, axis=0)
                out[f"{prefix}AP50"], out[f"{prefix}AP75"] = levels[0], levels[_AP75]
            elif wanted(f"{prefix}AP50", f"{prefix}AP75"):
                out[f"{prefix}AP50"], out[f"{prefix}AP75"] = average(hits[0]), average(hits[_AP75])
        if wanted(*_PARSING):
            levels = [ranking.all_point(hit) for hit in parts]
            out["APp50"], out["APpvol"] = levels[_PART50], np.mean(levels, axis=0)
        return out


FIGURES = (
    *COUNTS,
    "mIoU",
    "mDice",
    "recall50",
    "precision50",
    "F1",
    "PQ",
    "AP",
    "AP50",
    "AP75",
    "COCO AP",
    "COCO AP50",
    "COCO AP75",
    *(f"{name} IoU" for name in PART_GROUPS),
    "centreline recall",
    "centreline precision",
    "clDice",
    "length error",
    "parsing mIoU",
    "APp50",
    "APpvol",
    "PCP50",
)
"""Names of all figures, in the order of tables."""
LOWER_IS_BETTER = ("length error",)


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Element by element; NaN where there is nothing to divide by."""
    top, bottom = np.asarray(numerator, float), np.asarray(denominator, float)
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def nanmean(values: FloatArray) -> FloatArray:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0).astype(float))


def _mean(weights: FloatArray, values: Sequence[FloatArray]) -> FloatArray:
    """Mean over all known values of all images, each as often as its image counts, `(B,)`."""
    known = weights @ [float(np.count_nonzero(~np.isnan(v))) for v in values]
    return ratio(weights @ [float(np.nansum(v)) for v in values], known)


def _median(weights: FloatArray, values: Sequence[FloatArray]) -> FloatArray:
    """Median over all known values of all images, each as often as its image counts, `(B,)`."""
    flat = np.concatenate(values) if values else np.zeros(0)
    image = np.repeat(np.arange(len(values)), [len(v) for v in values])
    order = np.argsort(flat, kind="stable")[: np.count_nonzero(~np.isnan(flat))]  # NaN sorts last
    if not len(order):
        return np.full(len(weights), np.nan)
    upto = np.cumsum(weights[:, image[order]], axis=1)
    total, ranked = upto[:, -1:], flat[order]
    # Of n values the two in the middle are those that first reach n/2, and n/2 plus a hair.
    low = np.argmax(upto >= total / 2 - 1e-9, axis=1)
    high = np.argmax(upto > total / 2 + 1e-9, axis=1)
    middle: FloatArray = (ranked[low] + ranked[high]) / 2
    return np.where(total[:, 0] > 0, middle, np.nan)
