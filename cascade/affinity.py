"""What the model's masks say of branch ends: how much of one the mask prompted near another covers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cascade.continuation import End
from cascade.types import FloatArray


def end_affinity(
    count: int, asked: Sequence[tuple[End, ...]], coverage: FloatArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Collect what prompts say of branch ends.

    Args:
        count: number of branches, `n`.
        asked: for each prompt the ends it speaks for.
        coverage: `(prompts, n, 2)` how much of each branch, near either end, the prompt's mask covers.
        scores: `(prompts,)` predicted IoU.

    Returns:
        `(n, 2, n, 2)` affinity and `(n,)` score of each branch's own prompts, weighted by score; NaN: none.
    """
    weight = np.zeros((count, 2))
    affinity, quality = np.zeros((count, 2, count, 2)), np.zeros((count, 2))
    for ends, row, score in zip(asked, coverage, scores, strict=True):
        trust = max(float(score), 1e-3)
        for end in ends:
            weight[end] += trust
            affinity[end] += trust * row
            quality[end] += trust * score
    known = np.where(weight > 0, weight, np.nan)
    total = weight.sum(1)
    return affinity / known[..., None, None], quality.sum(1) / np.where(total > 0, total, np.nan)


def unasked(count: int) -> FloatArray:
    """`(n, 2, n, 2)` affinity of branches that the model was not asked about."""
    return np.full((count, 2, count, 2), np.nan)
