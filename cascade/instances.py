"""Pairs → sperm: head ∪ tail with the gap between them filled; what stayed alone is kept and says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from cascade.config import InstancesConfig
from cascade.geometry import paint_polyline, polyline_length
from cascade.types import FloatArray, Head, Pair, Region, Sperm, Tail
from cascade.widths import measure_width

_ALONE = 0.5
"""Factor on the score of a head or a tail that found no partner."""
SURELY = (0.01, 0.99)
"""Scores beyond these say no more about a sperm."""
_LONG_HL = 10.0
"""Longer tails are no surer."""


def assemble(
    heads: list[Head],
    tails: list[Tail],
    pairs: list[Pair],
    head_length: float,
    shape: tuple[int, int],
    config: InstancesConfig,
    dark: FloatArray | None = None,
) -> tuple[Sperm, ...]:
    """Complete sperm first, then heads alone, then tails alone; numbered from 1.

    Args:
        heads, tails, pairs: of the stages before.
        head_length: pixels.
        shape: `(height, width)` of the image.
        config: of this stage.
        dark: `(height, width)` darkness of the normalised image, in which the tails' widths are measured;
            None: they keep the widths they have.
    """
    if dark is not None:
        tails = [replace(t, width=measure_width(t.centreline, dark, head_length, t.width)) for t in tails]
    complete = sorted(
        (
            (
                heads[p.head],
                _filled(heads[p.head], joined(p, tails[p.tail]), p.anchor, head_length, shape, config),
                confidence(p, tails[p.tail], head_length, config),
            )
            for p in pairs
        ),
        key=lambda one: -one[2],
    )
    paired_heads, paired_tails = {p.head for p in pairs}, {p.tail for p in pairs}
    alone = [h for i, h in enumerate(heads) if i not in paired_heads]
    loose = [_painted(t, head_length, shape, config) for i, t in enumerate(tails) if i not in paired_tails]
    out = [Sperm(0, head, tail, score) for head, tail, score in complete]
    out += [Sperm(0, head, None, _ALONE * head.score) for head in sorted(alone, key=lambda h: -h.score)]
    out += [Sperm(0, None, tail, _ALONE * tail.score) for tail in sorted(loose, key=lambda t: -t.score)]
    return tuple(replace(sperm, sperm_id=number) for number, sperm in enumerate(out, 1))


def confidence(pair: Pair, tail: Tail, head_length: float, config: InstancesConfig) -> float:
    """How probable it is that head and tail are a sperm as experts outline it (IoU of at least 0.5), 0–1."""
    return float(expit(config.weights.vector @ score_witnesses(pair.score, tail, head_length)))


def score_witnesses(pair: float, tail: Tail, head_length: float) -> FloatArray:
    """What speaks for a complete sperm: `(4,)`; see `cascade.weights`. `pair`: score of the pair, 0–1."""
    length = polyline_length(tail.centreline) / head_length
    return np.array([1.0, _log_odds(pair), _log_odds(tail.score), min(length, _LONG_HL)])


def _log_odds(score: float) -> float:
    return float(logit(np.clip(score, *SURELY)))


def _painted(tail: Tail, head_length: float, shape: tuple[int, int], config: InstancesConfig) -> Tail:
    low, high = config.min_tail_width_hl * head_length, config.max_tail_width_hl * head_length
    width = float(np.clip(tail.width, low, high))
    return replace(tail, region=paint_polyline(tail.centreline, width, shape), width=width)


def _filled(
    head: Head,
    tail: Tail,
    anchor: FloatArray,
    head_length: float,
    shape: tuple[int, int],
    config: InstancesConfig,
) -> Tail:
    """The tail, its centreline led to the head's end; pixels of the head belong to the head."""
    line = np.concatenate([anchor[None], tail.centreline])
    painted = _painted(replace(tail, centreline=line), head_length, shape, config)
    return replace(painted, region=without(painted.region, head.region), centreline=line)


def joined(pair: Pair, tail: Tail) -> Tail:
    """The tail with its centreline in order from the head."""
    return replace(tail, centreline=tail.centreline[::-1].copy()) if pair.reverse else tail


def without(region: Region, other: Region) -> Region:
    """The pixels of a region that are not in another."""
    mask = region.mask.copy()
    x0, y0, x1, y1 = region.box
    a0, b0, a1, b1 = other.box
    left, top, right, bottom = max(x0, a0), max(y0, b0), min(x1, a1), min(y1, b1)
    if left < right and top < bottom:
        mask[top - y0 : bottom - y0, left - x0 : right - x0] &= ~other.mask[
            top - b0 : bottom - b0, left - a0 : right - a0
        ]
    return Region.from_full(mask, x0, y0)
