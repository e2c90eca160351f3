"""What every stage did, with a mark for each candidate: H1 a head, T1 a tail, x1 what was rejected.

Heads and tails keep their marks through all stages. Rejected candidates are numbered anew in each round, the
longest first: what matters most comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np

from cascade.config import CS3Config
from cascade.explain.reasons import Fit, fit_of, lonely_heads, lonely_tails, sharpest_turn
from cascade.geometry import polyline_length
from cascade.heads import HeadRound
from cascade.knots import Knot
from cascade.pipeline import Trace
from cascade.preprocess import paint_white
from cascade.rounds import Rejected, TailRound
from cascade.types import BoolArray, FloatArray, Head, Pair, Region, Result, Tail, UInt8Array

_Part = TypeVar("_Part", Head, Tail)


@dataclass(frozen=True, eq=False)
class DroppedHead:
    """A rejected candidate of S1; its region is empty where nothing lay on the foreground."""

    mark: str
    region: Region
    reason: str


@dataclass(frozen=True, eq=False)
class DroppedTail:
    """A rejected candidate of the cascade.

    Attributes:
        points: `(n, 2)` its centreline.
        length: in head lengths.
        times: how often it came up, from different branches.
        turn: `(2,)` where it turns most, when that was the reason.
    """

    mark: str
    points: FloatArray
    reason: str
    length: float
    times: int
    turn: FloatArray | None


@dataclass(frozen=True, eq=False)
class HeadChapter:
    """A round of S1. `before` is what was left, `painted` what was painted white afterwards."""

    name: str
    before: UInt8Array
    painted: BoolArray
    prompts: FloatArray
    found: dict[str, Head]
    dropped: list[DroppedHead]


@dataclass(frozen=True, eq=False)
class TailChapter:
    """A round of S2…Sn, or the inside of a knot: in the enlarged cut-out's pixels, with nothing painted."""

    name: str
    round: TailRound
    painted: BoolArray
    found: dict[str, Tail]
    dropped: list[DroppedTail]


@dataclass(frozen=True, eq=False)
class KnotChapter:
    """A knot: where it lies in the image and how it was shown, and what came of it."""

    mark: str
    knot: Knot
    inside: TailChapter


@dataclass(frozen=True, eq=False)
class Match:
    """A pair: marks, how well the ends fit, and the number of the sperm it became (None: not known)."""

    head: str
    tail: str
    pair: Pair
    fit: Fit
    sperm_id: int | None


@dataclass(frozen=True, eq=False)
class Story:
    """All stages of one image.

    Attributes:
        image: `(h, w, 3)` as given.
        heads, tails: by mark; tails in the image's coordinates.
        lonely_heads, lonely_tails: mark → why there is no partner.
    """

    image: UInt8Array
    trace: Trace
    result: Result
    config: CS3Config
    head_rounds: list[HeadChapter]
    tail_rounds: list[TailChapter]
    knots: list[KnotChapter]
    heads: dict[str, Head]
    tails: dict[str, Tail]
    matches: list[Match]
    lonely_heads: dict[str, str]
    lonely_tails: dict[str, str]

    @property
    def normalised(self) -> UInt8Array:
        """The normalised image."""
        return self.image if self.trace.normalised is None else self.trace.normalised


def tell(image: UInt8Array, trace: Trace, result: Result, config: CS3Config) -> Story:
    """Put a run's trace in order.

    Args:
        image: `(h, w, 3)` RGB that was segmented.
        trace: filled by `segment`.
        result: of the same run.
        config: of the same run.
    """
    heads = {f"H{number}": head for number, head in enumerate(trace.heads, 1)}
    tails = {f"T{number}": tail for number, tail in enumerate(trace.tails, 1)}
    normalised = image if trace.normalised is None else trace.normalised
    return Story(
        image=image,
        trace=trace,
        result=result,
        config=config,
        head_rounds=_head_rounds(normalised, trace, heads),
        tail_rounds=_tail_rounds(trace, tails, result.head_length),
        knots=_knots(trace, tails, result.head_length, config.knots.enlarge),
        heads=heads,
        tails=tails,
        matches=_matches(trace, result),
        lonely_heads={
            f"H{index + 1}": why
            for index, why in lonely_heads(trace, result.head_length, config.matching).items()
        },
        lonely_tails={
            f"T{index + 1}": why
            for index, why in lonely_tails(trace, result.head_length, config.matching).items()
        },
    )


def _head_rounds(normalised: UInt8Array, trace: Trace, heads: dict[str, Head]) -> list[HeadChapter]:
    masks = [one.painted for one in trace.head_rounds]
    after = [*masks, _heads_gone(normalised, trace)][1:]
    return [
        HeadChapter(
            name="S1" if len(trace.head_rounds) == 1 else f"S1, round {number}",
            before=paint_white(normalised, one.painted),
            painted=gone & ~one.painted,
            prompts=one.prompts,
            found=_marked(heads, one.found),
            dropped=_dropped_heads(one),
        )
        for number, (one, gone) in enumerate(zip(trace.head_rounds, after, strict=True), 1)
    ]


def _heads_gone(normalised: UInt8Array, trace: Trace) -> BoolArray:
    """Pixels painted white once all heads were known."""
    left = trace.tail_rounds[0].image if trace.tail_rounds else trace.left
    return _painted(normalised, left) if left is not None else np.zeros(normalised.shape[:2], bool)


def _dropped_heads(one: HeadRound) -> list[DroppedHead]:
    largest_first = sorted(one.rejected, key=lambda pair: -pair[0].area)
    return [DroppedHead(f"x{n}", region, reason) for n, (region, reason) in enumerate(largest_first, 1)]


def _tail_rounds(trace: Trace, tails: dict[str, Tail], head_length: float) -> list[TailChapter]:
    images = [one.image for one in trace.tail_rounds] + ([] if trace.left is None else [trace.left])
    return [
        TailChapter(
            name=one.name,
            round=one,
            painted=_painted(one.image, images[min(number, len(images) - 1)]),
            found=_marked(tails, one.found),
            dropped=_dropped_tails(one.rejected, head_length),
        )
        for number, one in enumerate(trace.tail_rounds, 1)
    ]


def _knots(trace: Trace, tails: dict[str, Tail], head_length: float, enlarge: float) -> list[KnotChapter]:
    untied = iter([mark for mark, tail in tails.items() if tail.found_in == "knots"])
    out = []
    for number, knot in enumerate(trace.knots, 1):
        one = knot.round
        inside = TailChapter(
            name=f"K{number}",
            round=one,
            painted=np.zeros(knot.picture.shape[:2], bool),
            found=dict(zip(islice(untied, len(one.found)), one.found, strict=False)),
            dropped=_dropped_tails(one.rejected, head_length * enlarge),
        )
        out.append(KnotChapter(inside.name, knot, inside))
    return out


def _dropped_tails(rejected: Sequence[Rejected], head_length: float) -> list[DroppedTail]:
    same: dict[tuple[str, frozenset[tuple[float, ...]]], list[Rejected]] = {}
    for one in rejected:
        ends = frozenset(tuple(point) for point in one.points[[0, -1]].round().tolist())
        same.setdefault((one.reason, ends), []).append(one)
    longest_first = sorted(same.values(), key=lambda ones: -polyline_length(ones[0].points))
    return [
        DroppedTail(
            mark=f"x{number}",
            points=ones[0].points,
            reason=ones[0].reason,
            length=polyline_length(ones[0].points) / head_length,
            times=len(ones),
            turn=sharpest_turn(ones[0].points, head_length) if ones[0].reason.startswith("bend") else None,
        )
        for number, ones in enumerate(longest_first, 1)
    ]


def _matches(trace: Trace, result: Result) -> list[Match]:
    ids = {id(sperm.head): sperm.sperm_id for sperm in result.sperm if sperm.head is not None}
    return [
        Match(
            head=f"H{pair.head + 1}",
            tail=f"T{pair.tail + 1}",
            pair=pair,
            fit=fit_of(pair, trace.heads[pair.head], trace.tails[pair.tail], result.head_length),
            sperm_id=ids.get(id(trace.heads[pair.head])),
        )
        for pair in trace.pairs
    ]


def _marked(everything: dict[str, _Part], some: Sequence[_Part]) -> dict[str, _Part]:
    """Those of some objects that are among all, by their mark."""
    marks = {id(one): mark for mark, one in everything.items()}
    return {marks[id(one)]: one for one in some if id(one) in marks}


def _painted(before: UInt8Array, after: UInt8Array) -> BoolArray:
    """Pixels that changed from one round to the next, and those among them that had been white already."""
    changed = (before != after).any(-1).astype(np.uint8)
    return cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
