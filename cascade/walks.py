"""Branches of a skeleton → walks, each of one tail: every end goes on one way at most, by best total."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import networkx as nx
import numpy as np

from cascade.continuation import End
from cascade.tracing import Link, Tracer
from cascade.types import FloatArray


@dataclass(frozen=True, eq=False)
class Walk:
    """A chain of branches, each with the end it is entered by, and the scores of the links between."""

    steps: tuple[End, ...]
    links: tuple[float, ...]
    points: FloatArray

    @property
    def branches(self) -> frozenset[int]:
        """The branches walked."""
        return frozenset(branch for branch, _ in self.steps)


def find_walks(tracer: Tracer, min_link: float) -> list[Walk]:
    """Join branches into walks: each end goes on to one other at most, by best total over the skeleton.

    An end that lies at a neck may stop there instead. A walk from head to head is two tails taken for
    one: it is cut at its weakest link and all is joined anew.

    Args:
        tracer: of the skeleton.
        min_link: a link's least score, 0–1.
    """
    floor = math.log(max(min_link, 1e-6) / max(1 - min_link, 1e-6))
    links = {
        frozenset(((i, end), link.to)): ((i, end), link)
        for i in range(len(tracer.skeleton.branches))
        if not tracer.connectors[i]
        for end in (0, 1)
        for link in (*tracer.links((i, end)), *tracer.at_necks((i, end)))
        if not {(i, end), link.to} & tracer.closed and link.odds > floor and link.to[0] != i
        if link.to[0] < 0 or not tracer.connectors[link.to[0]]
    }
    while True:
        joined = _best_total(links, floor)
        home = tracer.closed | {end for end, (_, link) in joined.items() if link.to[0] < 0}
        onwards = {end: step for end, step in joined.items() if end not in home and end[0] >= 0}
        walks = _chains(tracer, onwards)
        doubtful = [key for walk in walks if (key := _between_heads(walk, onwards, home)) is not None]
        if not doubtful:
            return walks
        for key in doubtful:
            del links[key]


def _best_total(links: dict[frozenset[End], tuple[End, Link]], floor: float) -> dict[End, tuple[End, Link]]:
    """Each end's partner under the matching of greatest total odds."""
    graph = nx.Graph()
    for start, link in sorted(links.values(), key=lambda one: (one[0], one[1].to)):
        graph.add_edge(start, link.to, weight=link.odds - floor)
    out: dict[End, tuple[End, Link]] = {}
    for a, b in nx.max_weight_matching(graph):
        start, link = links[frozenset((a, b))]
        out[start], out[link.to] = (start, link), (start, link)
    return out


def _chains(tracer: Tracer, joined: dict[End, tuple[End, Link]]) -> list[Walk]:
    """Follow the links from every branch that has a loose end; what is left are rings."""
    out: list[Walk] = []
    done: set[int] = set()
    seeds = [i for i in range(len(tracer.skeleton.branches)) if not tracer.connectors[i]]
    for i in sorted(seeds, key=lambda i: ((i, 0) in joined and (i, 1) in joined, i)):
        if i not in done:
            entered = 0 if (i, 0) not in joined else 1 if (i, 1) not in joined else 0
            walk = _follow(tracer, (i, entered), joined)
            done |= walk.branches
            out.append(walk)
    return out


def _follow(tracer: Tracer, start: End, joined: dict[End, tuple[End, Link]]) -> Walk:
    steps = [start]
    links: list[float] = []
    lines = [tracer.skeleton.branches[start[0]].from_end(start[1])]
    while (leave := (steps[-1][0], 1 - steps[-1][1])) in joined:
        origin, link = joined[leave]
        forwards = origin == leave
        to = link.to if forwards else origin
        if to[0] == start[0]:
            break
        via = link.via if forwards else tuple((b, 1 - end) for b, end in reversed(link.via))
        steps += [*via, to]
        lines.append(link.shared if forwards else link.shared[::-1])
        lines += [tracer.skeleton.branches[b].from_end(end) for b, end in (*via, to)]
        links.append(_certainty(tracer, origin, link))
    return Walk(tuple(steps), tuple(links), np.concatenate(lines))


def _certainty(tracer: Tracer, origin: End, link: Link) -> float:
    """0–1: sure of the link itself, and that neither end would rather go elsewhere."""
    rivals = [other.odds for other in tracer.links(origin) if other.to != link.to]
    rivals += [other.odds for other in tracer.links(link.to) if other.to != origin]
    ahead = link.odds - max(rivals, default=-math.inf)
    return 1 / (1 + math.exp(-min(link.odds, ahead)))


def _between_heads(
    walk: Walk, joined: dict[End, tuple[End, Link]], home: Collection[End]
) -> frozenset[End] | None:
    """The weakest link of a walk that has a head at both ends, None for any other walk."""
    first, last = walk.steps[0], (walk.steps[-1][0], 1 - walk.steps[-1][1])
    if first not in home or last not in home:
        return None
    ends = [(b, end) for b, entered in walk.steps for end in (entered, 1 - entered)]
    inner = [joined[end] for end in ends if end in joined]
    if not inner:
        return None
    start, link = min(inner, key=lambda one: one[1].odds)
    return frozenset((start, link.to))
