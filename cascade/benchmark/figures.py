"""Figures of a method: over all images, by image, by crossings, and along the precision–recall curve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascade.benchmark.crossings import who_draws_through
from cascade.benchmark.intervals import RESAMPLES, Interval, summarise
from cascade.benchmark.method_score import MethodScore
from cascade.types import FloatArray

_OVER_TRUE_SPERM = (
    "mIoU",
    "mDice",
    "recall50",
    "head IoU",
    "flagellum IoU",
    "centreline recall",
    "clDice",
    "length error",
)
"""The figures that run over true sperm alone."""
_LAST = 3


@dataclass(frozen=True)
class CrossingFigures:
    """The true sperm with one number of crossings.

    Attributes:
        label: "0", "1", "2" or "3+".
        sperm: how many there are, the mean over the experts.
        figures: figure → value with its interval.
    """

    label: str
    sperm: float
    figures: dict[str, Interval]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        values = {name: value.as_json() for name, value in self.figures.items()}
        return {"label": self.label, "sperm": self.sperm, "figures": values}


def figures(score: MethodScore) -> dict[str, float]:
    """Every figure over all images, averaged over experts; what nothing is there to measure of is left out.

    `length error` is a median, everything else a mean or a ratio (see docs/scoring.md).
    """
    found = {name: float(values[0]) for name, values in score.evaluate().items()}
    return {name: value for name, value in found.items() if not np.isnan(value)}


def figures_by_image(score: MethodScore) -> dict[str, dict[str, float]]:
    """Image → figure → value, averaged over experts: to show an image's results, not to be averaged again."""
    values = score.evaluate(np.eye(len(score.images)))
    return {
        image: {name: float(v[i]) for name, v in values.items() if name != "images" and not np.isnan(v[i])}
        for i, image in enumerate(score.images)
    }


def precision_recall(score: MethodScore, level: float = 0.5) -> tuple[FloatArray, FloatArray]:
    """Recalls from 0 to 1 and the precision envelope at each, `(101,)` both, averaged over experts.

    Args:
        score: of a method.
        level: least IoU of a hit; the nearest of 0.5, 0.55, … 0.95 is taken.
    """
    curves = [table.precision_recall(level) for table in score.tables.values()]
    return np.linspace(0, 1, 101), np.mean(curves, axis=0)


def figures_by_crossings(
    score: MethodScore, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[CrossingFigures]:
    """Figures of sperm with no, one, two, and three or more crossings, over experts who draw through them.

    Numbers of crossings that no sperm has are left out.
    """
    counted = {expert: [one.crossings for one in known.values()] for expert, known in score.scores.items()}
    score = score.against(*who_draws_through(counted))
    found = []
    for number in range(_LAST + 1):
        scores = {
            expert: {
                name: one.of(one.crossings >= _LAST if number == _LAST else one.crossings == number)
                for name, one in known.items()
            }
            for expert, known in score.scores.items()
        }
        part = replace(score, scores=scores)
        sperm = float(np.mean([sum(one.true for one in known.values()) for known in scores.values()]))
        if sperm:
            label = f"{number}+" if number == _LAST else str(number)
            values = summarise(part, resamples=resamples, seed=seed, only=_OVER_TRUE_SPERM)
            found.append(CrossingFigures(label, sperm, values))
    return found
