"""Heads with two tails, and tails with two heads: they exist, and are said to be so.

Matching gives one tail a head and one head a tail. What stayed alone and yet surely begins at a head that
has a tail, or surely ends a tail that has a head, is not forced into another pair: both sperm get a remark
that names the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cascade.config import DoublesConfig
from cascade.geometry import polyline_length
from cascade.matching import outline
from cascade.types import FloatArray, Head, Pair, Remark, Sperm, Tail

_BESIDE_HL = 0.16
"""What runs this near to another tail is that tail's halo, head lengths."""
_GOES_ON_HL = 1.0
"""A tail that begins this near to the tip of another may be its continuation."""

Fits = Mapping[tuple[int, int], Pair]


@dataclass(frozen=True)
class Double:
    """A part too many.

    Attributes:
        pair: index of the pair that it joins.
        tail, head: index of the second tail, or of the second head; the other is None.
    """

    pair: int
    tail: int | None = None
    head: int | None = None


def find_doubles(
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
    fits: Fits,
    head_length: float,
    config: DoublesConfig,
) -> list[Double]:
    """What stayed alone but surely belongs to a pair.

    Args:
        heads, tails, pairs: as matched.
        fits: every head and tail that could be a pair, as `matching.fitting` gives it.
        head_length: pixels.
        config: of this stage.
    """
    if not config.enabled:
        return []
    return [
        *_second_tails(heads, tails, pairs, fits, head_length, config),
        *_second_heads(heads, tails, pairs, fits, head_length, config),
    ]


def _second_tails(
    heads: Sequence[Head],
    tails: Sequence[Tail],
    pairs: Sequence[Pair],
    fits: Fits,
    head_length: float,
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
            and not _same_line(tails[pair.tail], pair.reverse, tails[tail], head_length, config)
        ]
        if sure:
            found.append(Double(number, tail=max(sure)[1]))
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
            found.append(Double(number, head=max(sure)[1]))
    return found


def _touches(head: Head, tail: Tail, reverse: bool, head_length: float, config: DoublesConfig) -> bool:
    """Whether a tail begins right at a head's outline."""
    place = tail.centreline[-1 if reverse else 0]
    away = np.hypot(*(outline(head) - place).T).min()
    return bool(away <= config.max_distance_hl * head_length)


def _anothers(tail: int, own: int, fits: Fits, least: float) -> bool:
    """Whether a tail could as well be another head's."""
    return any(t == tail and head != own and fit.score >= least for (head, t), fit in fits.items())


def _same_line(first: Tail, reverse: bool, second: Tail, head_length: float, config: DoublesConfig) -> bool:
    """Whether a tail is the halo of another, or may be its continuation."""
    tip = first.centreline[0 if reverse else -1]
    if np.hypot(*(second.centreline[[0, -1]] - tip).T).min() <= _GOES_ON_HL * head_length:
        return True
    return _share_beside(second.centreline, first.centreline, _BESIDE_HL * head_length) > config.max_beside


def _share_beside(line: FloatArray, other: FloatArray, reach: float) -> float:
    """Share of a line that lies within `reach` pixels of another."""
    low = np.minimum(line.min(0), other.min(0)) - reach - 2
    width, height = np.ceil(np.maximum(line.max(0), other.max(0)) - low + reach + 2).astype(int).tolist()
    canvas = np.zeros((height, width), np.uint8)
    points = (other - low).round().astype(np.int32)[:, None]
    cv2.polylines(canvas, [points], False, 1, max(1, round(2 * reach)))
    x, y = (line - low).round().astype(int).T
    return float(canvas[y, x].mean())


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
        if double.tail is not None:
            kind, other = "second tail", of_line[id(tails[double.tail].centreline)]
        else:
            assert double.head is not None
            kind, other = "second head", of_head[id(heads[double.head])]
        remarks.setdefault(whole, []).append(Remark(kind, other))
        remarks.setdefault(other, []).append(Remark(f"{kind} of", whole))
    return tuple(
        replace(one, remarks=tuple(remarks[one.sperm_id])) if one.sperm_id in remarks else one
        for one in sperm
    )
