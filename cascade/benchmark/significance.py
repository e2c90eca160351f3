"""Whether one method is better than another: paired tests over images.

The null hypothesis is that two methods are interchangeable: in any image, either might have given either
result. So in every permutation each image keeps or swaps the two methods' results, all figures are computed
anew, and the p-value is the share of permutations whose difference is at least as large as the one seen
(Yeh, *More accurate tests for the statistical significance of result differences*, COLING 2000). It holds
for any figure, ratios and average precision included. Over all pairs of methods, p-values of one figure are
adjusted by Holm's method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from cascade.benchmark.figure_table import FigureTable, nanmean
from cascade.benchmark.intervals import RESAMPLES, Interval, interval, resampled
from cascade.benchmark.method_score import MethodScore
from cascade.errors import AnnotationError
from cascade.types import FloatArray

PERMUTATIONS = 2000
_A_PAIR = 50
HEADLINE = (
    "mIoU",
    "mDice",
    "F1",
    "PQ",
    "AP",
    "AP50",
    "AP75",
    "flagellum IoU",
    "clDice",
    "length error",
)
"""The figures that methods are tested on."""


@dataclass(frozen=True)
class Comparison:
    """Two methods in one figure.

    Attributes:
        figure: its name.
        first, second: the methods.
        difference: first minus second, with its paired bootstrap interval.
        p: of the permutation test, two-sided.
        p_holm: adjusted over all pairs of methods.
    """

    figure: str
    first: str
    second: str
    difference: Interval
    p: float
    p_holm: float

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"difference": self.difference.as_json()}


def compare_methods(
    scores: Sequence[MethodScore],
    names: Sequence[str] = HEADLINE,
    *,
    permutations: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Every pair of methods in every figure.

    Args:
        scores: of the methods, on the same images and experts.
        names: of the figures.
        permutations: how often results are swapped at random; where None, 2,000, and with many methods 50 for
            each of their pairs, so that the smallest p-value survives the adjustment.
        resamples: how often images are drawn for the intervals.
        seed: of both.

    Returns:
        Figure by figure, pairs in the order of `scores`; a figure that is not measured for both is left out.

    Raises:
        AnnotationError: the scores are of different images or experts.
    """
    for score in scores[1:]:
        if (score.images, score.experts) != (scores[0].images, scores[0].experts):
            raise AnnotationError(
                f"expected scores on the same images and experts, found {scores[0].method} and "
                f"{score.method} on different ones; score them together"
            )
    if len(scores) < 2:
        return []
    if permutations is None:
        permutations = max(PERMUTATIONS, _A_PAIR * len(scores) * (len(scores) - 1) // 2)
    weights = resampled(len(scores[0].images), resamples, seed)
    drawn = [score.evaluate(weights, names) for score in scores]
    swaps = np.random.default_rng(seed).random((permutations, len(scores[0].images))) < 0.5
    tests = {
        (i, j): _permuted(scores[i], scores[j], swaps.astype(float), names)
        for i, j in combinations(range(len(scores)), 2)
    }
    found = []
    for name in names:
        known = {
            pair: differences[name]
            for pair, differences in tests.items()
            if name in differences and not np.isnan(differences[name][0])
        }
        ps = [p_value(differences) for differences in known.values()]
        for (i, j), p, p_holm in zip(known, ps, holm(ps), strict=True):
            seen = interval(float(known[i, j][0]), drawn[i][name] - drawn[j][name])
            found.append(Comparison(name, scores[i].method, scores[j].method, seen, p, p_holm))
    return found


def p_value(differences: FloatArray) -> float:
    """Two-sided: of the difference seen (the first) among permuted ones (the others)."""
    seen, permuted = abs(differences[0]), np.abs(differences[1:])
    permuted = permuted[~np.isnan(permuted)]
    return float((1 + np.count_nonzero(permuted >= seen - 1e-12)) / (1 + len(permuted)))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: controls the chance of any false finding (Holm 1979)."""
    adjusted, worst = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        worst = max(worst, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = worst
    return adjusted


def _permuted(
    first: MethodScore, second: MethodScore, swaps: FloatArray, names: Sequence[str]
) -> dict[str, FloatArray]:
    """Differences of every figure, as seen and then for every row of swaps, `(1 + permutations,)`."""
    swaps = np.concatenate([np.zeros((1, swaps.shape[1])), swaps])
    runs = []
    for expert, known in first.scores.items():
        here = [name in known for name in first.images]
        swapped = swaps[:, here]
        both = FigureTable([*first.tables[expert].scores, *second.tables[expert].scores])
        one = both.figures(np.concatenate([1 - swapped, swapped], axis=1), names)
        other = both.figures(np.concatenate([swapped, 1 - swapped], axis=1), names)
        runs.append({name: one[name] - other[name] for name in one})
    return {name: nanmean(np.array([run[name] for run in runs])) for name in runs[0]}
