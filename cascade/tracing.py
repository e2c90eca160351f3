"""Where a tail may go on from the end of a branch of a skeleton, and how sure each way is.

The ways on are the other branches at the junction, those beyond a short connecting branch, and those across a
gap; `cascade.continuation` and a look at the picture judge them. `cascade.walks` chooses among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cascade.continuation import End, LineEnd, gap_witnesses, line_end, turns_back, witnesses
from cascade.geometry import tangent_at
from cascade.lengths import being_one, going_on
from cascade.looks.links import LinkLook
from cascade.necks import Neck
from cascade.sam.protocol import DenseMaps
from cascade.sharing import Merger, find_mergers, shared_ways
from cascade.skeleton import Skeleton
from cascade.types import BoolArray, FloatArray
from cascade.weights import LinkWeights

_CONNECTOR_HL = 0.45
"""Shorter branches between two junctions are where lines lie on each other: both may walk over them."""
_DEPTH = 3
_TANGENT_HL = (0.06, 0.4)
"""An end's direction is that of this stretch of its line."""
_BORDER_HL = 0.1
"""An end this near to the image's border leaves the picture there: it goes on nowhere in view."""
_NECK_HL = 0.8
"""Farthest that a tail begins from its head's neck."""


@dataclass(frozen=True)
class Link:
    """A way on.

    Attributes:
        to: the end that is entered.
        via: connecting branches walked over, each with the end it is entered by.
        odds: log-odds of going on there.
        shared: `(n, 2)` the stretch of another line walked over; empty where there is none.
    """

    to: End
    via: tuple[End, ...]
    odds: float
    shared: FloatArray = field(default_factory=lambda: np.zeros((0, 2)), compare=False)

    @property
    def score(self) -> float:
        """0–1."""
        return 1 / (1 + math.exp(-self.odds))


@dataclass(frozen=True, eq=False)
class Tracer:
    """A skeleton with what is known of its branches.

    Attributes:
        skeleton: of what is left of the foreground.
        foreground: for direction and for the evidence in gaps.
        head_length: pixels.
        affinity: `(n, 2, n, 2)` 0–1: how much of a branch near one end the mask prompted near another's end
            covers; NaN: not asked.
        gap: longest gap bridged, pixels.
        use_direction: whether the direction map is a witness.
        necks: where tails may begin: an end that lies there does not go on elsewhere.
        closed: ends that are known to lie at their head: no way on.
        dark: `(height, width)` darkness of the picture, as a witness; None: not asked.
        share: whether a line may run along a stretch of another, where two tails lie on each other.
        weights: of the witnesses.
        look: how links look in the picture; None: the witnesses judge alone.
    """

    skeleton: Skeleton
    foreground: DenseMaps
    head_length: float
    affinity: FloatArray
    gap: float
    use_direction: bool = True
    necks: Sequence[Neck] = ()
    closed: frozenset[End] = frozenset()
    dark: FloatArray | None = None
    share: bool = False
    weights: LinkWeights = field(default_factory=LinkWeights)
    look: LinkLook | None = None
    _links: dict[End, tuple[Link, ...]] = field(default_factory=dict)

    @cached_property
    def lengths(self) -> FloatArray:
        """Length of every branch, pixels."""
        return np.array([branch.length for branch in self.skeleton.branches])

    @cached_property
    def connectors(self) -> BoolArray:
        """Short branches between two junctions."""
        return np.array(
            [
                self.lengths[i] < _CONNECTOR_HL * self.head_length
                and not self.skeleton.is_free(i, 0)
                and not self.skeleton.is_free(i, 1)
                for i in range(len(self.skeleton.branches))
            ],
            dtype=bool,
        )

    @cached_property
    def line_ends(self) -> dict[End, LineEnd]:
        """Both ends of every branch."""
        branches = enumerate(self.skeleton.branches)
        return {(i, end): self._line_end(branch.from_end(end)) for i, branch in branches for end in (0, 1)}

    @cached_property
    def flow(self) -> FloatArray:
        """`(n,)` -1–1: how steadily the direction towards the head runs from the first point to the last."""
        out = np.zeros(len(self.skeleton.branches))
        for i, branch in enumerate(self.skeleton.branches):
            if len(branch.points) < 4:
                continue
            step = np.gradient(branch.points, axis=0)
            step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
            x, y = pixels(branch.points, self.foreground.tail)
            out[i] = float((self.foreground.direction[y, x] * step).sum(1).mean())
        return out

    @cached_property
    def _ends(self) -> tuple[list[End], FloatArray]:
        ends = [
            (i, end)
            for i in range(len(self.skeleton.branches))
            for end in (0, 1)
            if self.skeleton.is_free(i, end)
        ]
        places = [self._place(end) for end in ends]
        return ends, np.array(places, float).reshape(-1, 2)

    def _place(self, end: End) -> FloatArray:
        points: FloatArray = self.skeleton.branches[end[0]].points[-end[1]]
        return points

    def links(self, end: End) -> tuple[Link, ...]:
        """The ways on from an end, best first."""
        if end not in self._links:
            found = [
                Link(to, via, self._odds(end, to, via))
                for to, via in self._ways(end)
                if self._may_lead(end, to)
            ]
            shared = shared_ways(end, self._mergers, self._lines, self.head_length)
            found += [Link(to, (), odds, between) for to, odds, between in shared if self._may_lead(end, to)]
            best: dict[End, Link] = {}
            for link in found:
                if link.to not in best or link.odds > best[link.to].odds:
                    best[link.to] = link
            if self.closed:
                best = {
                    to: replace(link, odds=link.odds + self._of_lengths(end, to)) for to, link in best.items()
                }
            self._links[end] = tuple(sorted(best.values(), key=lambda link: -link.odds))
        return self._links[end]

    def _may_lead(self, start: End, to: End) -> bool:
        """Whether a tail may go on there at all: in view, and without turning back."""
        return not (
            self._at_border(start)
            or self._at_border(to)
            or turns_back(self.line_ends[start], self.line_ends[to])
        )

    def _of_lengths(self, start: End, to: End) -> float:
        """What the lengths of two pieces say of their being one, where it is known which lie at heads."""
        pieces = [
            (float(self.lengths[i]) / self.head_length, (i, 1 - end) in self.closed) for i, end in (start, to)
        ]
        return sum(going_on(*piece) for piece in pieces) + being_one(sum(length for length, _ in pieces))

    def _at_border(self, end: End) -> bool:
        height, width = self.foreground.tail.shape
        x, y = self._place(end).tolist()
        return bool(min(x, y, width - 1 - x, height - 1 - y) < _BORDER_HL * self.head_length)

    def _ways(self, end: End) -> Iterator[tuple[End, tuple[End, ...]]]:
        """The ends that a tail might go on at, and the connecting branches between."""
        yield from self._across_junction(end, end, (), _DEPTH)
        if self.skeleton.is_free(*end):
            ends, places = self._ends
            near = np.flatnonzero(np.linalg.norm(places - self._place(end), axis=1) <= self.gap)
            yield from ((ends[k], ()) for k in near if ends[k][0] != end[0])

    def _across_junction(
        self, start: End, at: End, via: tuple[End, ...], depth: int
    ) -> Iterator[tuple[End, tuple[End, ...]]]:
        node = self.skeleton.branches[at[0]].nodes[at[1]]
        walked = {start[0], *(branch for branch, _ in via)}
        for branch, end in self.skeleton.at_node[node]:
            if branch in walked:
                continue
            if self.connectors[branch] and depth > 1:
                yield from self._across_junction(start, (branch, 1 - end), (*via, (branch, end)), depth - 1)
            yield (branch, end), via

    @cached_property
    def _lines(self) -> list[FloatArray]:
        return [branch.points for branch in self.skeleton.branches]

    @cached_property
    def _mergers(self) -> list[Merger]:
        if not self.share:
            return []
        free = {end: self.line_ends[end] for end in self._ends[0] if not self._at_border(end)}
        return find_mergers(free, self._lines, self._line_end, self.head_length, self._vectors[1])

    def _line_end(self, points: FloatArray) -> LineEnd:
        skip = min(_TANGENT_HL[0] * self.head_length, 0.2 * len(points))
        near = tangent_at(points, _TANGENT_HL[1] * self.head_length, skip)
        dark = None if self.dark is None else self.dark[pixels(points, self.dark)[::-1]]
        return line_end(points, near, self.head_length, dark)

    @cached_property
    def _vectors(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Weights at a junction, across a gap, at a neck."""
        return self.weights.at_junction.vector, self.weights.across_gap.vector, self.weights.at_neck.vector

    def _odds(self, start: End, to: End, via: tuple[End, ...]) -> float:
        """Log-odds that a tail goes on from one end to another."""
        meet = self.meet(start, to, via)
        odds = float(self._vectors[0 if meet else 1] @ self.witnesses(start, to, via))
        if self.look is not None:
            odds = float(self.look.weights(meet) @ [1.0, odds, self._looks[frozenset((start, to))]])
        # A connecting branch may also be where this tail ends, though hardly.
        return odds - 1.0 if self.connectors[to[0]] else odds

    @cached_property
    def _looks(self) -> dict[frozenset[End], float]:
        """Log-odds of every way on, as it looks in the picture; all are looked at in one go."""
        if self.look is None:
            return {}
        ends = [(i, end) for i in range(len(self.skeleton.branches)) for end in (0, 1)]
        ways = list(
            {
                frozenset((end, to)): (end, to)
                for end in ends
                for to, _ in self._ways(end)
                if self._may_lead(end, to)
            }.items()
        )
        parts = [[self.skeleton.branches[i].from_end(end) for i, end in pair] for _, pair in ways]
        odds = self.look.odds(self._lines, [(first, second) for first, second in parts])
        return {key: float(one) for (key, _), one in zip(ways, odds, strict=True)}

    def meet(self, start: End, to: End, via: tuple[End, ...]) -> bool:
        """Whether two ends meet at a junction, or across short branches: else a gap lies between them."""
        branches = self.skeleton.branches
        return bool(via) or branches[start[0]].nodes[start[1]] == branches[to[0]].nodes[to[1]]

    def witnesses(self, start: End, to: End, via: tuple[End, ...]) -> FloatArray:
        """What speaks for a link: `(7,)` where two ends meet, `(10,)` across a gap; see `cascade.weights`."""
        masks = self.affinity[(*start, *to)], self.affinity[(*to, *start)]
        covered = [a for a in masks if not math.isnan(a)]
        mutual = 2 * sum(covered) / len(covered) - 1 if covered else 0.0
        leaving = self.flow[start[0]] * (1 if start[1] == 1 else -1)
        entering = self.flow[to[0]] * (1 if to[1] == 0 else -1)
        runs_on = leaving * entering if self.use_direction else 0.0
        a, b = self.line_ends[start], self.line_ends[to]
        seen = witnesses(a, b, self.head_length, mutual, runs_on)
        if self.meet(start, to, via):
            return seen
        across = gap_witnesses(a, b, self.head_length, self._filled(start, to))
        return np.concatenate([seen, across])

    def _filled(self, start: End, to: End) -> float:
        """Mean probability of flagellum along a gap."""
        a, b = self._place(start), self._place(to)
        steps = max(2, round(float(np.hypot(*(b - a)))))
        x, y = pixels(np.linspace(a, b, steps), self.foreground.tail)
        return float(self.foreground.tail[y, x].mean())

    def at_necks(self, end: End) -> list[Link]:
        """Links to the heads that a tail's end may lie at; a head is written as the branch `-1 - head`."""
        best: dict[int, float] = {}
        here = self.line_ends[end]
        for neck in self.necks:
            distance, angle = neck.fits(here.place, -here.near)
            if distance <= _NECK_HL * self.head_length:
                turn = math.cos(math.radians(angle))
                odds = float(self._vectors[2] @ [1.0, turn, distance / self.head_length, neck.odds])
                best[neck.head] = max(best.get(neck.head, -math.inf), odds)
        return [Link((-1 - head, 0), (), odds) for head, odds in best.items()]


def pixels(points: FloatArray, picture: FloatArray | BoolArray) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Columns and rows of the pixels under points; a smoothed line may leave the picture by half a pixel."""
    height, width = picture.shape[:2]
    x, y = np.round(points).astype(int).T
    return np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
