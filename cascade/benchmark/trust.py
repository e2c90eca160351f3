"""How far the scores of sperm can be trusted: of those scored so, how many are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cascade.benchmark.method_score import MethodScore

EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Band:
    """Sperm whose scores lie in a band.

    Attributes:
        low, high: of the band; what is scored `low` belongs to it, `high` only where it is 1.
        sperm: how many, averaged over experts.
        score: their mean score; NaN without any.
        right: share of them, over all experts, that hits a true sperm with an IoU of 0.5 or more; NaN
            likewise.
    """

    low: float
    high: float
    sperm: float
    score: float
    right: float


def trust(score: MethodScore, edges: Sequence[float] = EDGES) -> list[Band]:
    """Bands of scores, from the lowest, with how many of their sperm are right.

    Args:
        score: of one method against any number of experts.
        edges: of the bands, rising.
    """
    images = [one for known in score.scores.values() for one in known.values()]
    scores = np.concatenate([one.scores for one in images]) if images else np.zeros(0)
    right = np.concatenate([one.hits[0] for one in images]) if images else np.zeros(0, bool)
    bands = []
    for low, high in pairwise(edges):
        here = (scores >= low) & ((scores < high) | ((high == edges[-1]) & (scores <= high)))
        count = int(np.count_nonzero(here))
        mean, share = (float(values[here].mean()) if count else np.nan for values in (scores, right))
        bands.append(Band(low, high, count / max(1, len(score.experts)), mean, share))
    return bands


def trust_table(bands: Sequence[Band]) -> str:
    """The bands as a table of text, a line each; empty ones are left out."""
    lines = [f"{'score':>11}  {'sperm':>7}  {'mean score':>10}  {'right':>5}"]
    lines += [
        f"{one.low:.2f}–{one.high:.2f}".rjust(11) + f"  {one.sperm:7.1f}  {one.score:10.2f}  {one.right:5.2f}"
        for one in bands
        if one.sperm
    ]
    return "\n".join(lines)
