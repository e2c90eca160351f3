"""95 % intervals by bootstrap over images.

Sperm of one image share slide, stain and focus, so images are what is drawn anew, with replacement, each with
all its sperm (the cluster bootstrap: Davison & Hinkley, *Bootstrap Methods and their Application*, 1997,
§3.8); a figure's interval runs from the 2.5th to the 97.5th percentile of its resamples.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from cascade.benchmark.figure_table import COUNTS
from cascade.benchmark.method_score import MethodScore
from cascade.types import FloatArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; NaN ends where no resample could measure it."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """JSON values; null for NaN."""
        return {name: None if np.isnan(v := getattr(self, name)) else v for name in ("value", "low", "high")}


def resampled(images: int, resamples: int = RESAMPLES, seed: int = 0) -> FloatArray:
    """How often each image is drawn, `(resamples, images)`; the same for the same numbers."""
    if images < 1 or resamples < 1:
        raise ValueError(f"expected at least one image and one resample, got {images} and {resamples}")
    drawn = np.random.default_rng(seed).integers(0, images, (resamples, images))
    return np.stack([np.bincount(row, minlength=images) for row in drawn]).astype(float)


def interval(value: float, samples: FloatArray) -> Interval:
    """A value with the middle 95 % of its resamples; those that could not measure it are left out.

    What is not known itself (NaN) has no interval.
    """
    known = samples[~np.isnan(samples) & ~np.isnan(value)]
    low, high = np.percentile(known, [2.5, 97.5]) if known.size else (np.nan, np.nan)
    return Interval(float(value), float(low), float(high))


def summarise(
    score: MethodScore,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> dict[str, Interval]:
    """Every figure with its interval; counts are left out, and what nothing is there to measure of.

    Scores on the same images with the same seed get the same resamples, so that differences can be taken.

    Args:
        score: of a method.
        resamples: how often the images are drawn.
        seed: of the draws.
        only: names of the figures wanted; all where None.
    """
    values = score.evaluate(only=only)
    samples = score.evaluate(resampled(len(score.images), resamples, seed), only)
    return {
        name: interval(float(one[0]), samples[name])
        for name, one in values.items()
        if name not in COUNTS and not np.isnan(one[0])
    }


def mean_interval(several: Sequence[tuple[float, FloatArray]]) -> Interval:
    """The mean of some figures whose resamples were drawn together."""
    values = np.array([value for value, _ in several])
    return interval(float(values.mean()), np.mean([samples for _, samples in several], axis=0))
