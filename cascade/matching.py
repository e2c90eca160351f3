"""Heads × tails → pairs: one tail a head, one head a tail, best total.

How probable it is that a tail leaves a head at one of its necks is judged by several witnesses; how much each
says is in `cascade.weights`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from cascade.config import MatchingConfig
from cascade.geometry import angle_between, polyline_length, smooth_polyline, tangent_at
from cascade.looks.image import ImageLooks, ShownPair
from cascade.necks import Neck, find_necks, neck_beside
from cascade.sam.protocol import DenseMaps
from cascade.types import FloatArray, Head, Pair, Tail
from cascade.weights import LookWeights

_LONG_HL = 3.0
"""A stub of this length is 0.63 of a whole tail."""
_AWAY_HL = 0.5
"""From this distance on, the direction of the step from neck to tail counts in full."""
_FIRST_HL = 0.7
"""The first part of a tail, whose darkness is compared: midpieces are darker than tails."""
_SEEN = 0.4
"""What is assumed where no map tells: speaks neither for a pair nor against."""
_FAINT = 5.0
"""Darkness (0–255) added to both sides of a comparison: that of faint lines is mostly noise."""
_BESIDE_DEG = 30.0
"""Nearer to the long axis than this a tail leaves at one of its ends."""
_SIDEWAYS = 60.0
"""A tail further aside of a neck than this (degrees) is led to the nearest point of the outline instead."""


@dataclass(frozen=True, eq=False)
class Views:
    """What the whole image tells, each `None` where it is unknown.

    Attributes:
        direction: `(height, width, 2)` towards the head along each flagellum.
        seen: `(height, width)` probability of flagellum.
        dark: `(height, width)` darkness of the normalised image.
        necks: both ends of every head; None: of every head both ends are as likely.
    """

    direction: FloatArray | None = None
    seen: FloatArray | None = None
    dark: FloatArray | None = None
    necks: Sequence[Neck] | None = None

    @classmethod
    def of(
        cls,
        foreground: DenseMaps,
        dark: FloatArray,
        necks: Sequence[Neck],
    ) -> Views:
        """All that can be known.

        Args:
            foreground: of the normalised image.
            dark: `(height, width)` its darkness.
            necks: of the image.
        """
        direction = foreground.direction if foreground.direction.any() else None
        return cls(direction, foreground.tail, dark, necks)


_NOTHING = Views()


def match(
    heads: list[Head],
    tails: list[Tail],
    head_length: float,
    config: MatchingConfig,
    views: Views = _NOTHING,
    look: PairLook | None = None,
) -> list[Pair]:
    """Pair heads with tails: the best total of all that fit, see `fitting`."""
    return best_total(fitting(heads, tails, head_length, config, views, look), config)


def best_total(
    fits: Mapping[tuple[int, int], Pair], config: MatchingConfig, prior: Sequence[float] | None = None
) -> list[Pair]:
    """One tail a head, one head a tail, and the greatest sum of log-odds above those of the least score.

    Args:
        fits: from `fitting`.
        config: of this stage.
        prior: as of `fitting`; the scores of the pairs that are returned hold it.
    """
    if not fits:
        return []
    gain = np.zeros(np.max(list(fits), axis=0) + 1)
    for place, pair in fits.items():
        gain[place] = _with(prior, pair.tail, _log_odds(pair.score)) - _log_odds(config.min_score)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    chosen = [fits[place] for place in zip(rows.tolist(), columns.tolist(), strict=True) if place in fits]
    if prior is None:
        return chosen
    return [replace(one, score=_sure(_with(prior, one.tail, _log_odds(one.score)))) for one in chosen]


def fitting(
    heads: list[Head],
    tails: list[Tail],
    head_length: float,
    config: MatchingConfig,
    views: Views = _NOTHING,
    look: PairLook | None = None,
    prior: Sequence[float] | None = None,
) -> dict[tuple[int, int], Pair]:
    """Every head and tail, by index, that could be a pair: at least as sure as `config.min_score`.

    Args:
        heads, tails: found by the stages before.
        head_length: pixels.
        config: of this stage.
        views: of the whole image.
        look: how pairs look in the image; None: that is not asked.
        prior: log-odds that each tail has a head at all, beyond the usual; None: nothing is known. What
            could be a pair depends on it; the scores are without it, for it does not say which head.
    """
    met = list(meetings(heads, tails, head_length, config, views))
    odds = [float(config.weights.vector @ one.witnesses) for one in met]
    if look is not None:
        odds = look.judge(heads, tails, met, odds)
    best: dict[tuple[int, int], Pair] = {}
    for one, told in zip(met, odds, strict=True):
        place = one.neck.head, one.tail
        sure = _sure(told)
        if _sure(_with(prior, one.tail, told)) > config.min_score and (
            place not in best or sure > best[place].score
        ):
            best[place] = Pair(*place, one.anchor, sure, one.reverse)
    return best


@dataclass(frozen=True, eq=False)
class PairLook:
    """How pairs look, and how much that says; see `cascade.looks`."""

    image: ImageLooks
    weights: LookWeights

    def judge(
        self, heads: Sequence[Head], tails: Sequence[Tail], met: Sequence[Meeting], odds: Sequence[float]
    ) -> list[float]:
        """Log-odds of meetings, from those that the witnesses give and from the looks."""
        pairs = [shown(one, heads, tails) for one in met]
        seen = self.image.pairs([tail.centreline for tail in tails], pairs)
        told = np.column_stack([np.ones(len(met)), odds, seen]) @ self.weights.vector
        out: list[float] = told.tolist()
        return out


@dataclass(frozen=True, eq=False)
class Meeting:
    """An end of a tail near a neck of a head.

    Attributes:
        neck: of the head.
        tail: by index.
        reverse: whether the end is the tail's last point.
        anchor: `(2,)` where on the head the tail would begin.
        witnesses: `(11,)`, see `cascade.weights`.
    """

    neck: Neck
    tail: int
    reverse: bool
    anchor: FloatArray
    witnesses: FloatArray


def shown(meeting: Meeting, heads: Sequence[Head], tails: Sequence[Tail]) -> ShownPair:
    """What a small picture shows of a meeting."""
    line = tails[meeting.tail].centreline[:: -1 if meeting.reverse else 1]
    return heads[meeting.neck.head].region, meeting.anchor, meeting.neck.out, line


def meetings(
    heads: list[Head],
    tails: list[Tail],
    head_length: float,
    config: MatchingConfig,
    views: Views = _NOTHING,
) -> Iterator[Meeting]:
    """Every end of a tail at every neck that it is near enough to; arguments as of `fitting`."""
    if not heads or not tails:
        return
    outlines = [outline(head) for head in heads]
    ends: list[list[Neck]] = [[] for _ in heads]
    for neck in find_necks(heads) if views.necks is None else views.necks:
        ends[neck.head].append(neck)
    for t, ways in enumerate(_tail_ends(tails, head_length, views, config.use_direction)):
        for h, (head, edge) in enumerate(zip(heads, outlines, strict=True)):
            for way in ways:
                for neck in (
                    *ends[h],
                    *_beside(h, head, edge, ends[h], way, views.dark, head_length, config),
                ):
                    if not _near(neck, way, head_length, config):
                        continue
                    between = _SEEN if views.seen is None else _along(views.seen, neck.place, way.place)
                    anchor = _anchor(head, neck, edge, way.place)
                    seen = _witnesses(neck, edge, way, head_length, between)
                    yield Meeting(neck, t, way.reverse, anchor, seen)


def _beside(
    number: int,
    head: Head,
    edge: FloatArray,
    ends: Sequence[Neck],
    way: _TailEnd,
    dark: FloatArray | None,
    head_length: float,
    config: MatchingConfig,
) -> Iterator[Neck]:
    """The neck beside the long axis from which a tail would leave, where the head's shades tell of it."""
    if dark is None or not config.use_polarity:
        return
    place = _nearest(edge, way.place)
    far = float(np.hypot(*(way.place - place))) > config.max_distance_hl * head_length
    if not far and all(angle_between(place - head.centre, end.out) > _BESIDE_DEG for end in ends):
        yield neck_beside(number, head, place, dark)


def _with(prior: Sequence[float] | None, tail: int, odds: float) -> float:
    return odds if prior is None else odds + prior[tail]


def _sure(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def _log_odds(probability: float) -> float:
    kept = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


@dataclass(frozen=True, eq=False)
class _TailEnd:
    """A tail taken in one of its two orders, as seen from its first point."""

    place: FloatArray
    leaves: FloatArray
    reverse: bool
    worth: FloatArray
    """`(4,)` flow towards this end, -1–1; length, as a share of a whole tail's; score; relative darkness."""


def _tail_ends(
    tails: Sequence[Tail], head_length: float, views: Views, use_direction: bool
) -> list[tuple[_TailEnd, _TailEnd]]:
    """Both ends of every tail."""
    shades = [_shades(tail, views.dark, head_length) for tail in tails]
    usual = float(np.median([one[2] for one in shades])) if shades else math.nan
    out = []
    for tail, (first, last, _) in zip(tails, shades, strict=True):
        towards = flow(tail, views.direction) if use_direction else 0.0
        long = 1 - math.exp(-polyline_length(tail.centreline) / (_LONG_HL * head_length))
        ends = []
        for reverse, sign, shade in ((False, 1, first), (True, -1, last)):
            line = tail.centreline[::-1] if reverse else tail.centreline
            darker = 0.0 if views.dark is None else math.log((shade + _FAINT) / (usual + _FAINT))
            worth = np.array([sign * towards, long, tail.score, darker])
            ends.append(_TailEnd(line[0], tangent_at(line, 0, 0.5 * head_length), reverse, worth))
        out.append((ends[0], ends[1]))
    return out


def _shades(tail: Tail, dark: FloatArray | None, head_length: float) -> tuple[float, float, float]:
    """Median darkness of a tail's first part, of its last, and of the whole."""
    if dark is None:
        return 0.0, 0.0, 0.0
    height, width = dark.shape
    line = smooth_polyline(tail.centreline, 1.0, 0.0)
    x, y = line.round().astype(int).T
    along = dark[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    part = max(1, round(_FIRST_HL * head_length))
    return float(np.median(along[:part])), float(np.median(along[-part:])), float(np.median(along))


def _near(neck: Neck, end: _TailEnd, head_length: float, config: MatchingConfig) -> bool:
    """Whether a tail's end is neither too far from a neck nor too sharply turned."""
    distance, leave = neck.fits(end.place, end.leaves)
    return distance <= config.max_distance_hl * head_length and leave <= config.max_angle_deg


def _witnesses(neck: Neck, edge: FloatArray, end: _TailEnd, head_length: float, between: float) -> FloatArray:
    """What speaks for a tail leaving at a neck: `(11,)`.

    1; the turns from the neck's direction to the tail's, from the neck's to the step from neck to tail, and
    from that step to the tail's, in units of 45° (the last two count less the shorter the step is); distance
    to the head's outline, head lengths; log-odds of the neck; whether the direction map runs to this end,
    -1–1; length, as a share of a whole tail's; the tail's score; flagellum seen between neck and tail, 0–1;
    and the logarithm of how much darker the tail's first part is than the image's tails.
    """
    step = end.place - neck.place
    distance, leave = neck.fits(end.place, end.leaves)
    away = min(distance / head_length / _AWAY_HL, 1.0) / 45
    aside = angle_between(neck.out, step) if distance > 0 else 0.0
    onwards = angle_between(step, end.leaves) if distance > 0 else 0.0
    touching = float(np.hypot(*(edge - end.place).T).min()) / head_length
    towards, long, score, darker = end.worth
    return np.array(
        [
            1.0,
            leave / 45,
            aside * away,
            onwards * away,
            touching,
            neck.odds,
            towards,
            long,
            score,
            between,
            darker,
        ]
    )


def _anchor(head: Head, neck: Neck, edge: FloatArray, place: FloatArray) -> FloatArray:
    """Where on the head a tail begins: at the neck, or beside it where the tail comes from aside."""
    nearest = _nearest(edge, place)
    aside = angle_between(neck.out, place - neck.place)
    return nearest if aside > _SIDEWAYS and float(np.hypot(*(nearest - head.centre))) > 0 else neck.place


def _nearest(edge: FloatArray, place: FloatArray) -> FloatArray:
    """The point of an outline that is nearest to a place."""
    nearest: FloatArray = edge[int(np.argmin(np.hypot(*(edge - place).T)))]
    return nearest


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


def outline(head: Head) -> FloatArray:
    """`(n, 2)` x, y of the pixels on a head's edge."""
    contours, _ = cv2.findContours(
        head.region.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not contours:
        return head.ends
    origin = np.array([head.region.x0, head.region.y0], float)
    return np.asarray(np.concatenate([c[:, 0] for c in contours]) + origin)


def _along(seen: FloatArray, start: FloatArray, end: FloatArray) -> float:
    """Mean of a map along a straight line."""
    height, width = seen.shape
    steps = max(2, round(float(np.hypot(*(end - start)))))
    x, y = np.linspace(start, end, steps).round().astype(int).T
    return float(seen[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].mean())
