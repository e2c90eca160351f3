"""How far two raters' measurements of the same things agree.

Bias and limits of agreement: mean difference, and mean ± 1.96 standard deviations of the differences (Bland &
Altman, *The Lancet* 327, 1986). ICC(2,1): intraclass correlation of absolute agreement, two-way random
effects, single rater (Shrout & Fleiss, *Psychological Bulletin* 86, 1979). Intervals: bootstrap over images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cascade.benchmark.figure_table import ratio
from cascade.benchmark.intervals import Interval, interval
from cascade.types import FloatArray

_LIMIT = 1.96


@dataclass(frozen=True, eq=False)
class MeasurementAgreement:
    """One measure of the sperm that two raters both outlined, first against second.

    Attributes:
        n: number of sperm.
        mean: of all values.
        bias: mean difference, first less second.
        sd: of the differences.
        lower, upper: limits of agreement, bias ∓ 1.96 sd.
        icc: ICC(2,1); 1 where both always agree.
        points: `(n, 2)` value of the first, of the second.
    """

    n: int
    mean: float
    bias: Interval
    sd: float
    lower: Interval
    upper: Interval
    icc: Interval
    points: FloatArray = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """JSON values, without the points; null for what too few sperm leave undefined."""
        numbers = {name: getattr(self, name) for name in ("mean", "sd")}
        return {
            "n": self.n,
            **{name: None if np.isnan(value) else value for name, value in numbers.items()},
            **{name: getattr(self, name).as_json() for name in ("bias", "lower", "upper", "icc")},
        }


def agree(points: FloatArray, image: NDArray[np.int_], weights: FloatArray) -> MeasurementAgreement:
    """Compare paired values.

    Args:
        points: `(n, 2)` value of the first and of the second rater.
        image: `(n,)` which image each is from.
        weights: `(B, images)` how often each image counts in each resample.
    """
    rows = np.concatenate([np.ones((1, weights.shape[1])), weights])[:, image]
    number = rows.sum(axis=1)
    middle = float(points.mean()) if len(points) else np.nan
    x, y = (points - middle).T if len(points) else np.zeros((2, 0))  # centred, so that squares stay small
    bias, sd = _mean_and_sd(x - y, rows, number)
    icc = icc_2_1(x, y, rows)
    found = (interval(float(v[0]), v[1:]) for v in (bias, bias - _LIMIT * sd, bias + _LIMIT * sd, icc))
    mean_difference, lower, upper, correlation = found
    return MeasurementAgreement(
        len(points), middle, mean_difference, float(sd[0]), lower, upper, correlation, points
    )


def _mean_and_sd(values: FloatArray, rows: FloatArray, number: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = ratio(rows @ values, number)
    squares = rows @ values**2 - number * mean**2
    return mean, np.sqrt(np.maximum(ratio(squares, number - 1), 0.0))


def icc_2_1(x: FloatArray, y: FloatArray, rows: FloatArray) -> FloatArray:
    """ICC(2,1) of two raters for each row of weights, `(B,)`; NaN for fewer than two subjects.

    Args:
        x, y: `(n,)` values of either rater.
        rows: `(B, n)` how often each subject counts.
    """
    number = rows.sum(axis=1)
    mean_x, mean_y = ratio(rows @ x, number), ratio(rows @ y, number)
    grand = (mean_x + mean_y) / 2
    total = rows @ (x**2 + y**2) - 2 * number * grand**2
    between_subjects = rows @ ((x + y) ** 2) / 2 - 2 * number * grand**2
    between_raters = number * ((mean_x - grand) ** 2 + (mean_y - grand) ** 2)
    subjects = ratio(between_subjects, number - 1)
    error = ratio(np.maximum(total - between_subjects - between_raters, 0.0), number - 1)
    spread = subjects + error + 2 * ratio(between_raters - error, number)
    return ratio(subjects - error, spread)
