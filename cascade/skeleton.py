"""Mask → graph of paths: one-pixel centrelines, cut where they meet.

A *branch* is a chain of skeleton pixels between two nodes; a *node* is a free end, or a junction (a cluster
of touching pixels with three or more neighbours). A closed ring is a branch whose two ends are free and lie
side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from cascade.geometry import tangent_at
from cascade.types import BoolArray, FloatArray

_RUNS_ON = -0.2
"""Cosine between the two directions in which branches leave a node: -1 is straight on."""
_EIGHT = np.ones((3, 3), int)
_AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


@dataclass(frozen=True, eq=False)
class Branch:
    """A path between two nodes.

    Attributes:
        points: `(n, 2)` x, y, in order; the junctions' own pixels are not part of it.
        nodes: node index at the first and at the last point.
    """

    points: FloatArray
    nodes: tuple[int, int]

    @property
    def length(self) -> float:
        """Length in pixels, diagonal steps counted as √2."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum()) + 1.0

    def from_end(self, end: int) -> FloatArray:
        """The points, starting at end 0 or 1."""
        return self.points if end == 0 else self.points[::-1]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Branches and the nodes that join them.

    Attributes:
        branches: by index.
        nodes: `(k, 2)` x, y.
        at_node: for each node, its branch ends as `(branch, end)`.
    """

    branches: list[Branch]
    nodes: FloatArray
    at_node: list[list[tuple[int, int]]] = field(default_factory=list)

    def is_free(self, branch: int, end: int) -> bool:
        """Whether nothing else meets this end."""
        return len(self.at_node[self.branches[branch].nodes[end]]) < 2

    @property
    def free_ends(self) -> int:
        """Number of free ends."""
        return sum(self.is_free(b, end) for b in range(len(self.branches)) for end in (0, 1))


def trace(mask: BoolArray, spur: float = 0.0) -> Skeleton:
    """Skeletonise a mask and cut it into branches.

    Args:
        mask: `(height, width)`.
        spur: branches with one free end that are shorter (pixels) are thorns of the outline, and removed.
    """
    skeleton = _graph(skeletonize(mask))
    return prune(skeleton, spur) if spur > 0 else skeleton


def prune(skeleton: Skeleton, spur: float) -> Skeleton:
    """Remove spurs, shortest first, and join what they divided.

    At a junction the longest of several short free branches stays: it is the line's end, not a thorn.
    """
    branches: dict[int, Branch] = dict(enumerate(skeleton.branches))
    at_node = [list(ends) for ends in skeleton.at_node]
    for index in sorted(branches, key=lambda b: branches[b].length):
        branch = branches.get(index)
        if branch is None or branch.length >= spur:
            continue  # joined to another, or grown by a join
        free = [len(at_node[node]) == 1 for node in branch.nodes]
        if free.count(True) != 1 or branch.nodes[0] == branch.nodes[1]:
            continue
        junction = branch.nodes[free.index(False)]
        if len(at_node[junction]) < 3:
            continue
        del branches[index]
        for node in branch.nodes:
            at_node[node] = [end for end in at_node[node] if end[0] != index]
        if len(at_node[junction]) == 2 and _is_straight(branches, at_node[junction], spur):
            _join(branches, at_node, junction, skeleton.nodes[junction])
    return _rebuilt(list(branches.values()), skeleton.nodes)


def _is_straight(branches: dict[int, Branch], ends: list[tuple[int, int]], reach: float) -> bool:
    """Whether two branches that meet run on into each other: the tip of a V is where two lines end."""
    leaving = [tangent_at(branches[b].from_end(end), 0, reach) for b, end in ends]
    return float(leaving[0] @ leaving[1]) < _RUNS_ON


def _join(
    branches: dict[int, Branch], at_node: list[list[tuple[int, int]]], node: int, place: FloatArray
) -> None:
    """Make one branch of the two that meet at a node."""
    (a, end_a), (b, end_b) = at_node[node]
    if a == b:
        return
    first, second = branches[a].from_end(1 - end_a), branches[b].from_end(end_b)
    far_a, far_b = branches[a].nodes[1 - end_a], branches[b].nodes[1 - end_b]
    branches[a] = Branch(np.concatenate([first, place[None], second]), (far_a, far_b))
    del branches[b]
    at_node[node] = []
    at_node[far_a] = [e for e in at_node[far_a] if e != (a, 1 - end_a)] + [(a, 0)]
    at_node[far_b] = [e for e in at_node[far_b] if e != (b, 1 - end_b)] + [(a, 1)]


def _rebuilt(branches: list[Branch], nodes: FloatArray) -> Skeleton:
    at_node: list[list[tuple[int, int]]] = [[] for _ in range(len(nodes))]
    for i, branch in enumerate(branches):
        for end in (0, 1):
            at_node[branch.nodes[end]].append((i, end))
    return Skeleton(branches, nodes, at_node)


def _graph(line: BoolArray) -> Skeleton:
    padded = np.pad(line, 1)
    neighbours = ndimage.convolve(padded.astype(np.uint8), _EIGHT, mode="constant") - padded
    junction = padded & (neighbours >= 3)
    labels, count = ndimage.label(junction, _EIGHT)
    junctions = np.asarray(labels, np.int_)
    centres = ndimage.center_of_mass(junction, junctions, range(1, count + 1)) if count else []
    nodes = [(x - 1.0, y - 1.0) for y, x in centres]
    branches: list[Branch] = []
    for pixels in _chains(padded & ~junction):
        ends: list[int] = []
        for here, beyond in ((0, 1), (-1, -2)):
            y, x = pixels[here]
            inner = tuple(pixels[beyond]) if len(pixels) > 1 else None
            met = _touching(junctions, int(y), int(x), ends, inner)
            if met is None:
                nodes.append((x - 1.0, y - 1.0))
                met = len(nodes)
            ends.append(met)
        points = pixels[:, ::-1].astype(float) - 1.0
        branches.append(Branch(points, (ends[0] - 1, ends[1] - 1)))
    return _rebuilt(branches, np.array(nodes, float).reshape(-1, 2))


def _touching(
    junctions: NDArray[np.int_], y: int, x: int, used: list[int], inner: tuple[int, ...] | None
) -> int | None:
    """The junction (from 1) beside a chain's end; a one-pixel chain between two gets one at each end."""
    around = sorted({int(junctions[y + dy, x + dx]) for dy, dx in _AROUND} - {0})
    if inner is None:
        around = [j for j in around if j not in used]
    return around[0] if around else None


def _chains(line: BoolArray) -> list[NDArray[np.int_]]:
    """Each connected chain's pixels `(n, 2)` y, x in order; no pixel has more than two neighbours."""
    labels, count = ndimage.label(line, _EIGHT)
    ys, xs = np.nonzero(line)
    order = np.argsort(labels[ys, xs], kind="stable")
    sizes = np.bincount(labels[ys, xs], minlength=count + 1)[1:]
    groups = np.split(np.stack([ys, xs], -1)[order], np.cumsum(sizes)[:-1]) if count else []
    return [_in_order(group) for group in groups]


def _in_order(pixels: NDArray[np.int_]) -> NDArray[np.int_]:
    left = {(int(y), int(x)) for y, x in pixels}

    def beside(pixel: tuple[int, int]) -> list[tuple[int, int]]:
        y, x = pixel
        return [(y + dy, x + dx) for dy, dx in _AROUND if (y + dy, x + dx) in left]

    start = next((p for p in sorted(left) if len(beside(p)) <= 1), min(left))
    out = [start]
    left.discard(start)
    while following := beside(out[-1]):
        # Straight neighbours first: a diagonal step must not jump over the pixel that joins its ends.
        nearest = min(following, key=lambda p: abs(p[0] - out[-1][0]) + abs(p[1] - out[-1][1]))
        out.append(nearest)
        left.discard(nearest)
    return np.array(out)
