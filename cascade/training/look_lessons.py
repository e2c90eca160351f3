"""What the judge of looks learns from: links and pairs of synthetic smears, as the cascade meets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cascade.config import CS3Config
from cascade.fitting.collect import links_told, meetings_told
from cascade.fitting.truth import Judge, exact
from cascade.heads import pixels_of
from cascade.looks.picture import CHANNELS, SIDE, Canvas
from cascade.matching import meetings, shown
from cascade.pipeline import Trace, segment
from cascade.sam.protocol import PromptableModel
from cascade.synthesis import synthesize
from cascade.tracing import Tracer
from cascade.types import BoolArray, UInt8Array
from cascade.widths import darkness

Kind = Literal["round", "joining", "pair"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SHAPE, _HEAD_LENGTHS = (512, 640), (38.0, 56.0)
_MOST_OFF = 1.4
"""Where the cascade takes heads for this much longer or shorter than they are, its smear teaches nothing."""
_KEPT: dict[tuple[Kind, bool], float] = {("pair", False): 0.35, ("round", False): 0.6}
"""Share that is kept of what there is plenty of: wrong pairs, wrong links of rounds."""


@dataclass(frozen=True, eq=False)
class Lessons:
    """Links and pairs of a smear.

    Attributes:
        pictures: `(n, CHANNELS, SIDE, SIDE)`.
        kinds: `(n,)` places in `KINDS`.
        right: `(n,)` whether both parts are of one sperm.
    """

    pictures: UInt8Array
    kinds: UInt8Array
    right: BoolArray


def lessons_of(seed: int, model: PromptableModel) -> Lessons:
    """Draw a smear, run the cascade over it without the judge, and note what it came upon.

    The links are those of the first round and between pieces of tails, the pairs those of the end.
    """
    rng = np.random.default_rng(seed)
    length = float(rng.uniform(*_HEAD_LENGTHS))
    smear = synthesize(seed, _SHAPE, length)
    trace, config = Trace(), CS3Config().changed(looks={"enabled": False})
    found = segment(smear.image, model=model, config=config, trace=trace).head_length
    told: list[tuple[Kind, UInt8Array, bool]] = []
    if 1 / _MOST_OFF < found / length < _MOST_OFF:
        told = [
            one
            for one in _told(trace, [Judge(exact(smear), found)], found, config)
            if rng.random() < _KEPT.get((one[0], one[2]), 1.0)
        ]
    pictures = np.stack([one[1] for one in told]) if told else np.zeros((0, CHANNELS, SIDE, SIDE), np.uint8)
    kinds = np.array([KINDS.index(one[0]) for one in told], np.uint8)
    return Lessons(pictures, kinds, np.array([one[2] for one in told], bool))


def _told(
    trace: Trace, judges: list[Judge], head_length: float, config: CS3Config
) -> Iterator[tuple[Kind, UInt8Array, bool]]:
    if trace.normalised is None or trace.foreground is None:
        return
    inside = pixels_of(trace.heads, trace.foreground.tail.shape)
    canvas = Canvas.of(darkness(trace.normalised), trace.foreground.tail, inside, head_length)
    first = trace.tail_rounds[0].tracer if trace.tail_rounds else None
    if first is not None:
        yield from (("round", *one) for one in _links(first, judges, canvas))
    if trace.joiner is not None:
        yield from (("joining", *one) for one in _links(trace.joiner, judges, canvas))
    layers = canvas.with_lines([tail.centreline for tail in trace.tails])
    met = list(meetings(trace.heads, trace.tails, head_length, config.matching, trace.views))
    for meeting, right in meetings_told(trace.heads, trace.tails, met, judges):
        yield "pair", canvas.of_pair(layers, *shown(meeting, trace.heads, trace.tails)), right


def _links(tracer: Tracer, judges: list[Judge], canvas: Canvas) -> Iterator[tuple[UInt8Array, bool]]:
    branches = tracer.skeleton.branches
    layers = canvas.with_lines([branch.points for branch in branches])
    for start, link, right in links_told(tracer, judges):
        first, second = (branches[i].from_end(end) for i, end in (start, link.to))
        yield canvas.of_link(layers, first, second), right
