"""Heads × tails → pairs: one tail a head, one head a tail, best total."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from cascade.config import MatchingConfig
from cascade.geometry import angle_between, tangent_at
from cascade.types import FloatArray, Head, Tail


@dataclass(frozen=True, eq=False)
class Pair:
    """A head with its tail; the tail's centreline starts at the head's end `anchor`."""

    head: int
    tail: int
    anchor: FloatArray
    score: float
    reverse: bool


def match(
    heads: list[Head],
    tails: list[Tail],
    head_length: float,
    config: MatchingConfig,
    direction: FloatArray | None = None,
) -> list[Pair]:
    """Pair heads with tails.

    Args:
        heads, tails: found by the stages before.
        head_length: pixels.
        config: of this stage.
        direction: `(height, width, 2)` towards the head along each flagellum, where the model offers it.
    """
    flows = [flow(tail, direction) if config.use_direction else 0.0 for tail in tails]
    best: dict[tuple[int, int], Pair] = {}
    for h, head in enumerate(heads):
        for t, tail in enumerate(tails):
            options = [
                option
                for reverse in (False, True)
                for anchor in head.ends
                if (option := _option(h, t, head, tail, anchor, reverse, flows[t], head_length, config))
            ]
            if options:
                best[h, t] = max(options, key=lambda pair: pair.score)
    if not best:
        return []
    gain = np.zeros((len(heads), len(tails)))
    for (h, t), pair in best.items():
        gain[h, t] = pair.score
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [best[h, t] for h, t in zip(rows.tolist(), columns.tolist(), strict=True) if (h, t) in best]


def flow(tail: Tail, direction: FloatArray | None) -> float:
    """-1–1: 1 when the direction map runs towards the first point of the centreline, -1 towards the last."""
    if direction is None or len(tail.centreline) < 3:
        return 0.0
    height, width = direction.shape[:2]
    x = np.clip(tail.centreline[:, 0].round().astype(int), 0, width - 1)
    y = np.clip(tail.centreline[:, 1].round().astype(int), 0, height - 1)
    step = np.gradient(tail.centreline, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
    return -float((direction[y, x] * step).sum(1).mean())


def _option(
    h: int,
    t: int,
    head: Head,
    tail: Tail,
    anchor: FloatArray,
    reverse: bool,
    towards_first: float,
    head_length: float,
    config: MatchingConfig,
) -> Pair | None:
    line = tail.centreline[::-1] if reverse else tail.centreline
    reach = config.max_distance_hl * head_length
    distance = float(np.hypot(*(line[0] - anchor)))
    if distance > reach:
        return None
    angle = angle_between(anchor - head.centre, tangent_at(line, 0, 0.5 * head_length))
    if not angle <= config.max_angle_deg:
        return None
    towards = -towards_first if reverse else towards_first
    score = (1 - 0.5 * distance / reach) * (1 - 0.5 * angle / config.max_angle_deg) * (1 + 0.6 * towards)
    return Pair(h, t, anchor, score, reverse)


def joined(pair: Pair, tail: Tail) -> Tail:
    """The tail with its centreline in order from the head."""
    return replace(tail, centreline=tail.centreline[::-1].copy()) if pair.reverse else tail
