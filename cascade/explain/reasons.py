"""Why candidates were rejected and why heads and tails stayed alone, in words and by kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cascade.config import MatchingConfig
from cascade.geometry import angle_between, smooth_polyline, tangent_at
from cascade.pipeline import Trace
from cascade.types import FloatArray, Head, Pair, Tail

_MEASURED = re.compile(r"(?: of)? \d+(?:\.\d+)?°?(?= [<>])")


@dataclass(frozen=True)
class Fit:
    """How an end of a tail lies to an end of a head's long axis.

    Attributes:
        distance: head lengths.
        angle: degrees between the head's axis, out of the head, and the tail's first part.
    """

    distance: float
    angle: float


def kind(reason: str) -> str:
    """A reason without what was measured: "score 0.12 < 0.40" → "score < 0.40"."""
    return _MEASURED.sub("", reason)


def counted(reasons: Iterable[str]) -> str:
    """Reasons by kind, most frequent first: "3x score < 0.40, 1x an end lies on a junction"."""
    kinds = Counter(kind(reason) for reason in reasons)
    return ", ".join(f"{number}x {name}" for name, number in kinds.most_common())


def fit(head: Head, tail: Tail, head_length: float) -> Fit:
    """The best fit among both ends of both, nearest first."""
    fits = []
    for line in (tail.centreline, tail.centreline[::-1]):
        leaves = tangent_at(line, 0, 0.5 * head_length)
        for end in head.ends:
            distance = float(np.hypot(*(line[0] - end))) / head_length
            fits.append(Fit(distance, angle_between(end - head.centre, leaves)))
    return min(fits, key=lambda one: one.distance)


def fit_of(pair: Pair, head: Head, tail: Tail, head_length: float) -> Fit:
    """How a pair's ends lie, at the place on the head that was chosen."""
    line = tail.centreline[::-1] if pair.reverse else tail.centreline
    distance = float(np.hypot(*(line[0] - pair.anchor))) / head_length
    return Fit(distance, angle_between(pair.anchor - head.centre, tangent_at(line, 0, 0.5 * head_length)))


def sharpest_turn(points: FloatArray, head_length: float) -> FloatArray:
    """`(2,)` where a line turns most, seen at half a head length to each side."""
    line = smooth_polyline(points, 0.1 * head_length, 0.15 * head_length)
    reach = min(5, (len(line) - 1) // 2)
    if reach < 1:
        return np.asarray(points[len(points) // 2])
    before, here, after = line[: -2 * reach], line[reach:-reach], line[2 * reach :]
    turns = [angle_between(b - a, c - b) for a, b, c in zip(before, here, after, strict=True)]
    return np.asarray(here[int(np.argmax(turns))])


def lonely_heads(trace: Trace, head_length: float, config: MatchingConfig) -> dict[int, str]:
    """Index of each head without a tail → why."""
    owner = {pair.tail: pair.head for pair in trace.pairs}
    return {
        h: _why_alone(
            what="tail",
            fitting=sorted(t for one, t in trace.fits if one == h),
            partner=owner,
            fits=[fit(head, tail, head_length) for tail in trace.tails],
            config=config,
        )
        for h, head in enumerate(trace.heads)
        if h not in owner.values()
    }


def lonely_tails(trace: Trace, head_length: float, config: MatchingConfig) -> dict[int, str]:
    """Index of each tail without a head → why."""
    owned = {pair.head: pair.tail for pair in trace.pairs}
    return {
        t: _why_alone(
            what="head",
            fitting=sorted(h for h, one in trace.fits if one == t),
            partner=owned,
            fits=[fit(head, tail, head_length) for head in trace.heads],
            config=config,
        )
        for t, tail in enumerate(trace.tails)
        if t not in owned.values()
    }


def _why_alone(
    *, what: str, fitting: list[int], partner: dict[int, int], fits: list[Fit], config: MatchingConfig
) -> str:
    """Why one has no partner: `fitting` are those of kind `what` that could be, `partner` theirs."""
    letter, other = ("T", "H") if what == "tail" else ("H", "T")
    if fitting:
        taken = [partner[index] for index in fitting if index in partner]
        which = f", taken by {_named(other, taken)}" if taken else ""
        return f"fits {_named(letter, fitting)}{which}"
    if not fits:
        return f"no {what} was found"
    nearest = min(range(len(fits)), key=lambda index: fits[index].distance)
    best, name = fits[nearest], f"nearest {what} end, {letter}{nearest + 1}"
    if best.distance > config.max_distance_hl:
        return f"{name}: distance {best.distance:.2f} > {config.max_distance_hl:.2f} head lengths"
    if best.angle > config.max_angle_deg:
        return f"{name}: angle {best.angle:.0f}° > {config.max_angle_deg:.0f}°"
    lies = f"{best.distance:.2f} head lengths away, {best.angle:.0f}°"
    return f"{name}, {lies}: score below {config.min_score:.2f}"


def _named(letter: str, indices: Iterable[int]) -> str:
    return ", ".join(f"{letter}{index + 1}" for index in indices)
