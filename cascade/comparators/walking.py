"""The greedy walk: from a head along the skeleton of what looks like flagellum, always straight on.

At a junction the walk takes the way that bends least; at a free end it jumps a small gap to an end that lies
ahead. It never turns back, asks no model, and does not weigh one tail against another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from cascade.geometry import polyline_length, tangent_at
from cascade.skeleton import Skeleton
from cascade.types import BoolArray, FloatArray, Head

End = tuple[int, int]
"""Branch index, and 0 for its first or 1 for its last point."""

_REACH_HL = 0.5
"""Directions are taken over this length."""
_LEAST_COSINE = 0.3
"""A way on that bends more ends the walk."""
_GAP_COSINE = 0.7
_LONGEST_HL = 12.0
_START_HL = 0.45
"""Farthest from a head's edge that its flagellum begins."""
_ENOUGH_HL = 4.0
"""A walk of this length is as good as a longer one."""


@dataclass(frozen=True, eq=False)
class Walk:
    """From a head outwards.

    Attributes:
        head: index of the head.
        points: `(n, 2)` x, y, from the head on.
        starts: the end of the skeleton that it starts from.
        worth: 0–1, how much it looks like this head's flagellum.
    """

    head: int
    points: FloatArray
    starts: End
    worth: float


def walks_from(
    heads: Sequence[Head],
    skeleton: Skeleton,
    head_length: float,
    gap_hl: float,
    evidence: Callable[[FloatArray], float] = lambda _: 1.0,
) -> dict[int, Walk]:
    """One walk a head at most, the most convincing first; no two start at the same end.

    Args:
        heads: of the image.
        skeleton: of the flagella, without the heads.
        head_length: pixels.
        gap_hl: longest gap jumped, head lengths.
        evidence: how much the points `(n, 2)` of a walk look like a flagellum and its beginning, a factor.
    """
    options = [
        walk
        for number, head in enumerate(heads)
        for walk in _options(number, head, skeleton, head_length, gap_hl * head_length)
    ]
    options = [replace(one, worth=one.worth * evidence(one.points)) for one in options]
    taken: set[End] = set()
    out: dict[int, Walk] = {}
    for one in sorted(options, key=lambda option: -option.worth):
        if one.head not in out and one.starts not in taken:
            out[one.head] = one
            taken.add(one.starts)
    return out


def _options(number: int, head: Head, skeleton: Skeleton, head_length: float, gap: float) -> list[Walk]:
    """Walks from every free end near a head."""
    reach = _START_HL * head_length
    away = _distance_to(head, reach)
    out = []
    for branch in range(len(skeleton.branches)):
        for end in (0, 1):
            place = skeleton.branches[branch].points[-end]
            distance = away(place)
            if distance > reach or not skeleton.is_free(branch, end):
                continue
            points = walk(skeleton, (branch, end), head_length, gap)
            leaves = tangent_at(points, 0, _REACH_HL * head_length)
            out_of = (place - head.centre) / max(float(np.hypot(*(place - head.centre))), 1e-6)
            straight = max(0.0, float(leaves @ out_of))
            at_tip = abs(float(out_of @ head.axis))
            length = min(1.0, polyline_length(points) / (_ENOUGH_HL * head_length))
            worth = length * (0.2 + 0.8 * straight) * (0.4 + 0.6 * at_tip) * (1 - 0.5 * distance / reach)
            if worth > 0:
                out.append(Walk(number, points, (branch, end), worth))
    return out


def _distance_to(head: Head, reach: float) -> Callable[[FloatArray], float]:
    """Function of a place: pixels to the head's edge, infinite beyond `reach`."""
    margin = int(np.ceil(reach)) + 2
    padded: BoolArray = np.pad(head.region.mask, margin)
    distances = ndimage.distance_transform_edt(~padded)
    left, top = head.region.x0 - margin, head.region.y0 - margin

    def away(place: FloatArray) -> float:
        x, y = round(float(place[0])) - left, round(float(place[1])) - top
        inside = 0 <= x < padded.shape[1] and 0 <= y < padded.shape[0]
        return float(distances[y, x]) if inside else np.inf

    return away


def walk(skeleton: Skeleton, start: End, head_length: float, gap: float) -> FloatArray:
    """The points `(n, 2)` of the walk that begins at an end of a branch."""
    reach = _REACH_HL * head_length
    points = skeleton.branches[start[0]].from_end(start[1])
    used, at = {start[0]}, (start[0], 1 - start[1])
    while polyline_length(points) < _LONGEST_HL * head_length:
        heading = -tangent_at(points[::-1], 0, reach)
        onwards = _onwards(skeleton, at, heading, used, reach)
        if onwards is None:
            onwards = _across_gap(skeleton, at, heading, used, reach, gap)
        if onwards is None:
            break
        branch, end = onwards
        points = np.concatenate([points, skeleton.branches[branch].from_end(end)])
        used.add(branch)
        at = (branch, 1 - end)
    return points


def _onwards(skeleton: Skeleton, at: End, heading: FloatArray, used: Set[int], reach: float) -> End | None:
    """The straightest way on at a junction, None where all bend too much."""
    node = skeleton.branches[at[0]].nodes[at[1]]
    best, most = None, _LEAST_COSINE
    for branch, end in skeleton.at_node[node]:
        if branch in used:
            continue
        cosine = float(heading @ tangent_at(_ahead(skeleton, (branch, end), used, reach), 0, reach))
        if cosine > most:
            best, most = (branch, end), cosine
    return best


def _ahead(skeleton: Skeleton, entered: End, used: Set[int], reach: float) -> FloatArray:
    """The first points of a way; a short branch is followed to the straightest one after it.

    Where two flagella cross at a flat angle, they share a short branch, and only what comes after tells.
    """
    branch, end = entered
    points = skeleton.branches[branch].from_end(end)
    if polyline_length(points) >= reach or len(points) < 2:
        return points
    node = skeleton.branches[branch].nodes[1 - end]
    heading = tangent_at(points, 0, reach)
    after = [
        skeleton.branches[other].from_end(e)
        for other, e in skeleton.at_node[node]
        if other != branch and other not in used
    ]
    if not after:
        return points
    straightest = max(after, key=lambda line: float(heading @ tangent_at(line, 0, reach)))
    return np.concatenate([points, straightest])


def _across_gap(
    skeleton: Skeleton, at: End, heading: FloatArray, used: Set[int], reach: float, gap: float
) -> End | None:
    """The free end ahead that is nearest and leads on, None where there is none."""
    place = skeleton.branches[at[0]].points[-at[1]]
    best, least = None, gap
    for branch in range(len(skeleton.branches)):
        for end in (0, 1):
            if branch in used or not skeleton.is_free(branch, end):
                continue
            line = skeleton.branches[branch].from_end(end)
            step = line[0] - place
            distance = float(np.hypot(*step))
            if not 0 < distance <= least or float(heading @ step) / distance < _GAP_COSINE:
                continue
            if float(heading @ tangent_at(line, 0, reach)) >= _GAP_COSINE:
                best, least = (branch, end), distance
    return best
