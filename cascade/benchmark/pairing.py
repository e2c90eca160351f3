"""Heads × tails → pairs without the matching rules: what the rules are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cascade.types import Head, Pair, Tail


def nearest_pairs(heads: Sequence[Head], tails: Sequence[Tail], reach: float) -> list[Pair]:
    """Join whatever lies nearest: no angle, no direction, no best total.

    The distance is from an end of a tail to an end of a head's long axis, either end of both. The two that
    lie nearest are a pair; then the nearest two of the rest, one tail a head, up to `reach` pixels.
    """
    if not heads or not tails:
        return []
    anchors = np.stack([head.ends for head in heads])
    ends = np.stack([tail.centreline[[0, -1]] for tail in tails])
    distances = np.linalg.norm(anchors[:, :, None, None] - ends, axis=-1)  # head, its end, tail, its end
    pairs: list[Pair] = []
    while distances.min() <= reach:
        h, side, t, end = (int(i) for i in np.unravel_index(distances.argmin(), distances.shape))
        pairs.append(Pair(h, t, anchors[h, side], 1 - distances[h, side, t, end] / reach, reverse=end == 1))
        distances[h] = distances[:, :, t] = np.inf
    return pairs
