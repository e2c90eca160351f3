"""The cascade over one image, and what became of its links, pairs and sperm in the eyes of experts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.config import CS3Config
from cascade.continuation import End
from cascade.fitting.candidates import KINDS, Candidate, Found
from cascade.fitting.truth import Judge, majority
from cascade.instances import score_witnesses
from cascade.matching import Meeting, meetings
from cascade.pipeline import Trace, segment
from cascade.sam.protocol import PromptableModel
from cascade.tracing import Link, Tracer
from cascade.types import FloatArray, Head, Pair, Sperm, Tail, UInt8Array

_SKIP_HL, _REACH_HL = 0.1, 0.8
"""The stretch of a line that tells on which flagellum its end lies."""


def collect(
    image: UInt8Array,
    experts: Sequence[Sequence[AnnotatedSperm]],
    model: PromptableModel,
    config: CS3Config,
) -> Found:
    """Every candidate of an image that experts tell to be right or wrong.

    Args:
        image: `(height, width, 3)` RGB.
        experts: what each outlined in it.
        model, config: of the cascade.
    """
    trace = Trace()
    result = segment(image, model=model, config=config, trace=trace)
    judges = [Judge(sperm, result.head_length) for sperm in experts]
    found: Found = {kind: [] for kind in KINDS}
    for one in trace.tail_rounds:
        _links(one.tracer, (0.0, 0.0), 1.0, judges, found)
    for knot in trace.knots:
        _links(knot.round.tracer, knot.box[:2], config.knots.enlarge, judges, found)
    _links(trace.joiner, (0.0, 0.0), 1.0, judges, found, kind="joins")
    met = list(meetings(trace.heads, trace.tails, result.head_length, config.matching, trace.views))
    told = meetings_told(trace.heads, trace.tails, met, judges)
    found["pairs"] = [Candidate(one.witnesses.tolist(), right) for one, right in told]
    weights = config.matching.weights.vector
    found["scores"] = list(_scores(result.sperm, trace, met, weights, result.head_length, judges))
    return found


def _links(
    tracer: Tracer | None,
    origin: tuple[float, float],
    scale: float,
    judges: Sequence[Judge],
    found: Found,
    kind: str = "",
) -> None:
    """The links of a round, each once; `origin` and `scale` lead from its picture to the image."""
    if tracer is None:
        return
    for start, link, right in links_told(tracer, judges, origin, scale):
        met = tracer.meet(start, link.to, link.via)
        name = kind or ("at_junction" if met else "across_gap")
        found[name].append(Candidate(tracer.witnesses(start, link.to, link.via).tolist(), right))


def links_told(
    tracer: Tracer, judges: Sequence[Judge], origin: tuple[float, float] = (0.0, 0.0), scale: float = 1.0
) -> Iterator[tuple[End, Link, bool]]:
    """The links of a round that truth tells to be right or wrong, each once: where from, the link, which."""
    for i in range(len(tracer.skeleton.branches)):
        for start in ((i, 0), (i, 1)):
            if tracer.connectors[i] or start in tracer.closed:
                continue
            for link in tracer.links(start):
                to = link.to
                if to <= start or to[0] == i or tracer.connectors[to[0]] or to in tracer.closed:
                    continue
                one, other = (
                    (_near_end(tracer, end) + 0.5) / scale - 0.5 + np.array(origin) for end in (start, to)
                )
                a, b = (tracer.line_ends[end].near for end in (start, to))
                turn = math.degrees(math.acos(max(-1.0, min(1.0, float(a @ -b)))))
                right = majority([judge.link(one, other, turn) for judge in judges])
                if right is not None:
                    yield start, link, right


def _near_end(tracer: Tracer, end: tuple[int, int]) -> FloatArray:
    points = tracer.skeleton.branches[end[0]].from_end(end[1])
    skip = min(round(_SKIP_HL * tracer.head_length), len(points) // 3)
    return points[skip : max(round(_REACH_HL * tracer.head_length), skip + 1)]


def meetings_told(
    heads: Sequence[Head], tails: Sequence[Tail], met: Sequence[Meeting], judges: Sequence[Judge]
) -> Iterator[tuple[Meeting, bool]]:
    """The meetings of tails and necks that truth tells to be right or wrong."""
    for one in met:
        head = heads[one.neck.head]
        votes = [
            judge.pair(head, tails[one.tail], one.reverse, head.ends, one.neck.place) for judge in judges
        ]
        if (right := majority(votes)) is not None:
            yield one, right


def _scores(
    sperm: Sequence[Sperm],
    trace: Trace,
    met: Sequence[Meeting],
    weights: FloatArray,
    head_length: float,
    judges: Sequence[Judge],
) -> Iterator[Candidate]:
    """Complete sperm: the witnesses of the pair, on whose weights its odds rest, then those of the sperm."""
    whole = {id(one.head): one for one in sperm if one.complete}
    for pair in trace.pairs:
        found = whole.get(id(trace.heads[pair.head]))
        right = None if found is None else majority([judge.sperm(found) for judge in judges])
        if right is not None:
            seen = score_witnesses(pair.score, trace.tails[pair.tail], head_length)
            yield Candidate([*_of_pair(pair, met, weights), *seen], right)


def _of_pair(pair: Pair, met: Sequence[Meeting], weights: FloatArray) -> list[float]:
    """The witnesses of a pair's surest meeting."""
    fitting = [one.witnesses for one in met if (one.neck.head, one.tail) == (pair.head, pair.tail)]
    best: list[float] = max(fitting, key=lambda seen: float(weights @ seen)).tolist()
    return best
