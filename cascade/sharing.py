"""Where two tails lie on each other: a line that ends on another may have run along it for a stretch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascade.continuation import End, LineEnd, gap_witnesses, turns_back, witnesses
from cascade.types import FloatArray

_NEAR_HL = 0.3
"""Farthest that a line ends from the one it runs into."""
_LEAST_HL, _MOST_HL = 0.2, 5.0
"""Shortest and longest stretch that two tails share."""
_LESS_LIKELY = 0.5
"""Log-odds by which a shared stretch is less likely than its two ends are."""


@dataclass(frozen=True, eq=False)
class Merger:
    """An end that runs into a line at its point `at`, and on along it: forwards (1) or backwards (-1)."""

    end: End
    line: int
    at: int
    onwards: int
    odds: float


def find_mergers(
    ends: Mapping[End, LineEnd],
    lines: Sequence[FloatArray],
    describe: Callable[[FloatArray], LineEnd],
    head_length: float,
    weights: FloatArray,
) -> list[Merger]:
    """Where ends run into other lines.

    Args:
        ends: free ends of lines.
        lines: `(n, 2)` each, x, y, about a pixel apart.
        describe: the end of a line at its first point.
        head_length: pixels.
        weights: of the witnesses of a gap.
    """
    out: list[Merger] = []
    for number, line in enumerate(lines):
        for end, seen in ends.items():
            distance = np.hypot(*(line - seen.place).T)
            at = int(np.argmin(distance))
            if end[0] == number or distance[at] > _NEAR_HL * head_length:
                continue
            for onwards, rest in ((1, line[at:]), (-1, line[at::-1])):
                if len(rest) < _LEAST_HL * head_length:
                    continue
                there = describe(rest)
                if turns_back(seen, there):
                    continue
                told = witnesses(seen, there, head_length, 0.0, 0.0)
                told[-1] = 0.0  # two tails that lie on each other are darker than either
                odds = float(weights @ [*told, *gap_witnesses(seen, there, head_length, 0.0)])
                out.append(Merger(end, number, at, onwards, odds))
    return out


def shared_ways(
    end: End, mergers: Sequence[Merger], lines: Sequence[FloatArray], head_length: float
) -> Iterator[tuple[End, float, FloatArray]]:
    """Ways on along another line and off it again: the end there, log-odds, and the stretch `(n, 2)`."""
    for entry in mergers:
        if entry.end != end:
            continue
        for leave in mergers:
            if leave.line != entry.line or leave.end[0] == end[0] or leave.onwards == entry.onwards:
                continue
            if _LEAST_HL < (leave.at - entry.at) * entry.onwards / head_length < _MOST_HL:
                first, last = sorted((entry.at, leave.at))
                between = lines[entry.line][first : last + 1]
                yield leave.end, min(entry.odds, leave.odds) - _LESS_LIKELY, between[:: entry.onwards]
