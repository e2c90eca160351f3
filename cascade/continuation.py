"""Whether one line goes on as another: what speaks for it and against it.

How much each witness says is in `cascade.weights`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cascade.geometry import angle_between
from cascade.types import FloatArray

_REACH_HL, _SKIP_HL = 1.0, 0.15
"""A line end is judged by its last head length, without what lies nearest: there a junction bends it."""
_NEAR_HL, _NEAR_SKIP_HL = 0.4, 0.06
_FEWEST = 8
"""Points that a bend takes, at least."""
_MOST_TURN, _MOST_ASIDE, _MOST_UNEXPECTED, _MOST_PALER = 2.0, 1.5, 1.5, 0.8
"""Beyond these, more of it speaks no louder."""
_FAINT = 5.0
"""Darkness (0–255) added to both sides of a comparison: that of faint lines is mostly noise."""

_SHARPEST_DEG = 100.0
"""No tail turns more sharply from one line to another: it would come back along itself."""
_FULL_GAP_HL = 0.5
"""From this width on, the direction of the step across a gap counts in full."""


End = tuple[int, int]
"""Number of a line, and 0 for its first or 1 for its last point."""


@dataclass(frozen=True, eq=False)
class LineEnd:
    """One end of a line.

    Attributes:
        place: `(2,)` x, y of its last point.
        near: `(2,)` unit vector out of the line, over its last 0.4 head lengths.
        way: `(2,)` the same over its last head length, the very end left out.
        inner: `(2,)` the point from which `way` was taken.
        bend: how it turns on the way out, radians a head length.
        dark: median darkness, 0–255; NaN: unknown.
    """

    place: FloatArray
    near: FloatArray
    way: FloatArray
    inner: FloatArray
    bend: float
    dark: float


def line_end(points: FloatArray, near: FloatArray, head_length: float, dark: FloatArray | None) -> LineEnd:
    """Describe the end of a line at its first point.

    Args:
        points: `(n, 2)` from the end on, about a pixel apart.
        near: unit vector out of the line at its end.
        head_length: pixels.
        dark: `(n,)` darkness along the points; None: unknown.
    """
    last = len(points) - 1
    skip = min(round(_SKIP_HL * head_length), len(points) // 3, max(last - 1, 0))
    reach = min(round(_REACH_HL * head_length), last)
    way = points[skip] - points[reach]
    return LineEnd(
        place=points[0],
        near=near,
        way=way / max(math.hypot(*way), 1e-6),
        inner=points[skip],
        bend=_bend(points[: round(_REACH_HL * head_length)][::-1], head_length),
        dark=math.nan if dark is None else float(np.median(dark[skip : round(_REACH_HL * head_length)])),
    )


def witnesses(a: LineEnd, b: LineEnd, head_length: float, mutual: float, runs_on: float) -> FloatArray:
    """What speaks for `b` being where `a` goes on: `(7,)`.

    1; the turn from the one's end to the other's, in units of 45°; how far the model's masks of either cover
    the other, -1–1; whether the direction towards the head runs on, -1–1; how far aside of each other they
    run, head lengths, summed over both; how much more or less they turn than their bends let expect, radians;
    and the logarithm of how much darker one is than the other.
    """
    turn = math.degrees(math.acos(max(-1.0, min(1.0, float(a.near @ -b.near)))))
    step = b.inner - a.inner
    aside = sum(min(abs(_cross(one.way, step)) / head_length, _MOST_ASIDE) for one in (a, b))
    gap = math.hypot(*(b.place - a.place))
    between = 2 * _SKIP_HL + _REACH_HL + gap / head_length
    turned = math.atan2(_cross(a.way, -b.way), float(a.way @ -b.way))
    unexpected = abs(turned - (a.bend - b.bend) / 2 * between)
    paler = abs(math.log((a.dark + _FAINT) / (b.dark + _FAINT)))
    return np.array(
        [
            1.0,
            min(turn / 45, _MOST_TURN),
            mutual,
            runs_on,
            aside,
            min(unexpected, _MOST_UNEXPECTED),
            0.0 if math.isnan(paler) else min(paler, _MOST_PALER),
        ]
    )


def turns_back(a: LineEnd, b: LineEnd) -> bool:
    """Whether going on from one end to another would be a hairpin, judged by the very ends and further in."""
    return min(angle_between(a.near, -b.near), angle_between(a.way, -b.way)) > _SHARPEST_DEG


def gap_witnesses(a: LineEnd, b: LineEnd, head_length: float, filled: float) -> FloatArray:
    """What more speaks for going on, or not, across a gap: `(3,)`.

    Its width, head lengths; how far the step across it turns from either end, 1 - cosine;
    and how much flagellum is seen in it, 0–1: what is seen there and is not the line's own is another's.
    """
    step = b.place - a.place
    distance = math.hypot(*step)
    gap = distance / head_length
    ahead = min(float(a.near @ step), float(b.near @ -step)) / max(distance, 1e-6)
    turned = (1 - ahead) * min(gap / _FULL_GAP_HL, 1.0)
    return np.array([gap, turned, filled])


def _bend(points: FloatArray, head_length: float) -> float:
    """Turn of a line over its length, radians a head length, positive clockwise in image view."""
    if len(points) < _FEWEST:
        return 0.0
    half = len(points) // 2
    first, second = points[half] - points[0], points[-1] - points[half]
    turn = math.atan2(_cross(first, second), float(first @ second))
    return turn / max(half / head_length, 0.1)


def _cross(u: FloatArray, v: FloatArray) -> float:
    return float(u[0] * v[1] - u[1] * v[0])
