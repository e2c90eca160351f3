"""Heads with two tails, and tails with two heads: they exist, and are said to be so.

Matching gives one tail a head and one head a tail. What stayed alone and yet surely begins at a head that
has a tail, or surely ends a tail that has a head, is not forced into another pair: both sperm get a remark
that names the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascade.config import DoublesConfig
from cascade.geometry import polyline_length
from cascade.matching import outline
from cascade.rounds import beside
from cascade.tracing import pixels
from cascade.types import Head, Pair, Remark, Sperm, Tail

_GOES_ON_HL = 1.0
"""A tail that begins this near to the tip of another may be its continuation."""

Fits = Mapping[tuple[int, int], Pair]


@dataclass(frozen=True)
class Double:
    """A part too many.

    Attributes:
        pair: index of the pair that it joins.
        kind: "second tail" or "second head".
        part: index of that tail, or of that head.
    """

    pair: int
    kind: str
    part: int


def find_doubles(
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
    fits: Fits,
    head_length: float,
    shape: tuple[int, int],
    config: DoublesConfig,
) -> list[Double]:
    """What stayed alone but surely belongs to a pair.

    Args:
        heads, tails, pairs: as matched.
        fits: every head and tail that could be a pair, as `matching.fitting` gives it.
        head_length: pixels.
        shape: `(height, width)` of the image.
        config: of this stage.
    """
    if not config.enabled:
        return []
    return [
        *_second_tails(heads, tails, pairs, fits, head_length, shape, config),
        *_second_heads(heads, tails, pairs, fits, head_length, config),
    ]


def _second_tails(
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
    fits: Fits,
    head_length: float,
    shape: tuple[int, int],
    config: DoublesConfig,
) -> list[Double]:
    """Of every head that has a tail, the surest other one."""
    paired = {pair.tail for pair in pairs}
    found = []
    for number, pair in enumerate(pairs):
        sure = [
            (fit.score, tail)
            for (head, tail), fit in fits.items()
            if head == pair.head
            and tail not in paired
            and fit.score >= config.min_score
            and tails[tail].score >= config.min_tail_score
            and _touches(heads[head], tails[tail], fit.reverse, head_length, config)
            and polyline_length(tails[tail].centreline) >= config.min_length_hl * head_length
            and not _anothers(tail, pair.head, fits, config.min_score / 2)
            and not _same_line(tails[pair.tail], pair.reverse, tails[tail], head_length, shape, config)
        ]
        if sure:
            found.append(Double(number, "second tail", max(sure)[1]))
    return found


def _second_heads(
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
    fits: Fits,
    head_length: float,
    config: DoublesConfig,
) -> list[Double]:
    """Of every tail that has a head, the surest other one at its other end."""
    paired = {pair.head for pair in pairs}
    found = []
    for number, pair in enumerate(pairs):
        sure = [
            (fit.score, head)
            for (head, tail), fit in fits.items()
            if tail == pair.tail
            and head not in paired
            and fit.reverse != pair.reverse
            and fit.score >= config.min_score
            and heads[head].score >= config.min_head_score
            and _touches(heads[head], tails[tail], fit.reverse, head_length, config)
        ]
        if sure:
            found.append(Double(number, "second head", max(sure)[1]))
    return found


def _touches(head: Head, tail: Tail, reverse: bool, head_length: float, config: DoublesConfig) -> bool:
    """Whether a tail begins right at a head's outline."""
    place = tail.centreline[-1 if reverse else 0]
    away = np.hypot(*(outline(head) - place).T).min()
    return bool(away <= config.max_distance_hl * head_length)


def _anothers(tail: int, own: int, fits: Fits, least: float) -> bool:
    """Whether a tail could as well be another head's."""
    return any(t == tail and head != own and fit.score >= least for (head, t), fit in fits.items())


def _same_line(
    first: Tail,
    reverse: bool,
    second: Tail,
    head_length: float,
    shape: tuple[int, int],
    config: DoublesConfig,
) -> bool:
    """Whether a tail is the halo of another, or may be its continuation."""
    tip = first.centreline[0 if reverse else -1]
    if np.hypot(*(second.centreline[[0, -1]] - tip).T).min() <= _GOES_ON_HL * head_length:
        return True
    near = beside([first], shape, head_length)
    x, y = pixels(second.centreline, near)
    return bool(near[y, x].mean() > config.max_beside)


def remark_on(
    sperm: Sequence[Sperm],
    doubles: Sequence[Double],
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
) -> tuple[Sperm, ...]:
    """The sperm, those that have a part too many and those parts with a remark that names the other."""
    of_head = {id(one.head): one.sperm_id for one in sperm if one.head is not None}
    of_line = {
        id(one.tail.centreline): one.sperm_id for one in sperm if one.tail is not None and not one.head
    }
    remarks: dict[int, list[Remark]] = {}
    for double in doubles:
        whole = of_head[id(heads[pairs[double.pair].head])]
        is_tail = double.kind == "second tail"
        other = of_line[id(tails[double.part].centreline)] if is_tail else of_head[id(heads[double.part])]
        remarks.setdefault(whole, []).append(Remark(double.kind, other))
        remarks.setdefault(other, []).append(Remark(f"{double.kind} of", whole))
    return tuple(
        replace(one, remarks=tuple(remarks[one.sperm_id])) if one.sperm_id in remarks else one
        for one in sperm
    )
