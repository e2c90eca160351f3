"""The pipeline with some of its judgements replaced by what an expert outlined.

What is replaced lies in several stages, none of which knows of it: their functions are swapped for as long as
an image takes. One image at a time, therefore, in one process.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cascade import matching, pipeline
from cascade.benchmark.annotations import AnnotatedImage
from cascade.benchmark.measuring import near_largest
from cascade.config import MatchingConfig
from cascade.geometry import ellipse_axes, polyline_length
from cascade.head_length import median_length
from cascade.preprocess import foreground as whitened_foreground
from cascade.preprocess import grown
from cascade.sam.protocol import DenseMaps, Encoding, Masks, Part, PromptableModel, Prompts
from cascade.tracing import Link, Tracer
from cascade.types import BoolArray, FloatArray, Head, Pair, Region, Tail, UInt8Array

KINDS = ("heads", "foreground", "links", "matching")
"""What the pipeline can be told."""

_NEAR_HL = 0.05
"""A line this near to an outlined flagellum still runs on it."""
_SAME_LINE, _SAME_TAIL, _SAME_HEAD = 0.6, 0.5, 0.3
"""From this share of its points (the IoU, of a head) on, a line's end, a tail or a head is an expert's."""
_END_HL, _SKIP_HL = 1.0, 0.15
"""A line's end is its last head length, without what lies nearest: there a junction bends it."""
_CERTAIN = 8.0
"""Log-odds of what is true: more than any witnesses of a link or a neck bring together."""
_OWN = 0.1
"""Of links that are all true, or all false, the pipeline's own odds say which is best."""
_WHOLE_HL = 15.0
"""Of several pieces of a head's tail the longest is its tail; longer ones than this are as good."""
_LEAST, _MOST = 0.6, 0.99
"""Scores of true pairs, from the shortest piece to a whole tail."""


class Truth:
    """What an expert outlined in one image.

    Args:
        image: with heads and flagella; sperm without a head do not count.
    """

    def __init__(self, image: AnnotatedImage) -> None:
        self.shape = image.shape
        sperm = [one for one in image.scored() if one.head.area]
        regions = [near_largest(one.head) for one in sperm]
        self.heads = [Head(region, 1.0, *ellipse_axes(region)) for region in regions]
        self._flagella = [one.flagellum for one in sperm]

    @cached_property
    def flagella(self) -> BoolArray:
        """`(height, width)` pixels of all flagella."""
        out = np.zeros(self.shape, bool)
        for region in self._flagella:
            out |= region.full(self.shape)
        return out

    @cached_property
    def _near(self) -> list[Region]:
        """Every flagellum, a little grown."""
        if not self.heads:
            return []
        reach = _NEAR_HL * median_length(self.heads, self.shape)
        return [Region.from_full(grown(one.full(self.shape), reach)) for one in self._flagella]

    def along(self, points: FloatArray) -> FloatArray:
        """`(sperm,)` share of `(n, 2)` points x, y that lie on each flagellum."""
        x, y = points.round().astype(int).T
        return np.array([np.count_nonzero(_within(one, x, y)) / max(1, len(points)) for one in self._near])

    def maps(self, seen: DenseMaps) -> DenseMaps:
        """A foreground whose flagella are those outlined.

        Of a picture of another size, a knot's, nothing is told: what the whole image showed there counts.
        """
        told = self.flagella if seen.tail.shape == self.shape else np.zeros(seen.tail.shape, bool)
        return replace(seen, tail=told.astype(np.float32))

    def odds(self, start: FloatArray, to: FloatArray, own: float) -> float:
        """Log-odds of going on from one line's end to another's, `(n, 2)` points each from the end on.

        Between ends that both lie on no flagellum outlined, the pipeline's `own`.
        """
        a, b = self.along(start), self.along(to)
        if max(a.max(initial=0), b.max(initial=0)) < _SAME_LINE:
            return own
        same = np.minimum(a, b).max(initial=0) >= _SAME_LINE
        return (_CERTAIN if same else -_CERTAIN) + _OWN * own

    def pairs(
        self, heads: Sequence[Head], tails: Sequence[Tail], head_length: float, least: float
    ) -> dict[tuple[int, int], Pair]:
        """Head and tail, by index → pair: every tail that lies on the flagellum of a head found.

        Args:
            heads, tails: found.
            head_length: pixels.
            least: lowest score, above which pairs count.
        """
        found = [self._found(head, heads) for head in self.heads]
        out = {}
        for t, tail in enumerate(tails):
            shares = self.along(tail.centreline)
            owner = int(np.argmax(shares)) if len(shares) else -1
            if owner < 0 or shares[owner] < _SAME_TAIL or (h := found[owner]) is None:
                continue
            whole = min(1.0, polyline_length(tail.centreline) / (_WHOLE_HL * head_length))
            low = min(max(_LEAST, least), _MOST)
            out[h, t] = _pair(h, heads[h], t, tail, low + (_MOST - low) * whole)
        return out

    @staticmethod
    def _found(head: Head, heads: Sequence[Head]) -> int | None:
        """Which of the heads found is a true one."""
        ious = [head.region.iou(other.region) for other in heads]
        return int(np.argmax(ious)) if max(ious, default=0.0) >= _SAME_HEAD else None


@contextmanager
def told(truth: Truth, kinds: Collection[str], model: PromptableModel) -> Iterator[PromptableModel]:
    """Within it `segment` knows the truth, when it is given the model that comes out.

    Args:
        truth: of the image to be segmented.
        kinds: of `KINDS`.
        model: of the pipeline.

    Raises:
        ValueError: an unknown kind.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"expected any of {', '.join(KINDS)}, found {', '.join(sorted(unknown))}")
    with ExitStack() as swaps:
        if "heads" in kinds:
            swaps.enter_context(_swapped(pipeline, "find_heads", lambda *_, **__: (list(truth.heads), [])))
        if "foreground" in kinds:
            swaps.enter_context(_swapped(pipeline, "whitened_foreground", _true_foreground(truth)))
            model = _KnowingModel(model, truth)
        if "links" in kinds:
            swaps.enter_context(_swapped(Tracer, "links", _true_links(truth)))
        if "matching" in kinds:
            for module in (matching, pipeline):
                swaps.enter_context(_swapped(module, "fitting", _true_fitting(truth)))
        yield model


@contextmanager
def _swapped(owner: object, name: str, function: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _true_foreground(truth: Truth) -> Any:
    """`preprocess.foreground`, for models without dense maps of their own, its flagella replaced."""

    def foreground(picture: UInt8Array, head_length: float) -> DenseMaps:
        return truth.maps(whitened_foreground(picture, head_length))

    return foreground


def _true_links(truth: Truth) -> Any:
    """`Tracer.links`, its odds replaced; knots, which are traced in pixels of their own, keep theirs."""
    judged = Tracer.links

    def links(tracer: Tracer, end: tuple[int, int]) -> tuple[Link, ...]:
        found = judged(tracer, end)
        if tracer.foreground.tail.shape != truth.shape:
            return found
        here = _last_part(tracer, end)
        known = [replace(one, odds=truth.odds(here, _last_part(tracer, one.to), one.odds)) for one in found]
        return tuple(sorted(known, key=lambda one: -one.odds))

    return links


def _last_part(tracer: Tracer, end: tuple[int, int]) -> FloatArray:
    points = tracer.skeleton.branches[end[0]].from_end(end[1])
    skip = min(round(_SKIP_HL * tracer.head_length), len(points) // 3)
    part: FloatArray = points[skip : math.ceil(_END_HL * tracer.head_length) + 1]
    return part


def _true_fitting(truth: Truth) -> Any:
    """`matching.fitting`, with the pairs replaced."""

    def fitting(
        heads: list[Head], tails: list[Tail], head_length: float, config: MatchingConfig, *_: Any, **__: Any
    ) -> Mapping[tuple[int, int], Pair]:
        return truth.pairs(heads, tails, head_length, config.min_score)

    return fitting


def _pair(h: int, head: Head, t: int, tail: Tail, score: float) -> Pair:
    """The tail begins at its end nearer to the head, at the end of the head's long axis nearer to that."""
    away = [math.hypot(*(tail.centreline[end] - head.centre)) for end in (0, -1)]
    reverse = away[1] < away[0]
    place = tail.centreline[-1 if reverse else 0]
    anchor = head.ends[int(np.argmin(np.hypot(*(head.ends - place).T)))]
    return Pair(h, t, anchor, score, reverse)


def _within(region: Region, x: Any, y: Any) -> BoolArray:
    """Which pixels belong to a region."""
    x0, y0, x1, y1 = region.box
    inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    out: BoolArray = region.mask[y[inside] - y0, x[inside] - x0]
    return out


@dataclass(frozen=True)
class _KnowingModel:
    """A promptable model that sees the flagella outlined."""

    model: PromptableModel
    truth: Truth

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def sha256(self) -> str:
        return self.model.sha256

    def encode(self, image: UInt8Array, head_length: float) -> _KnowingEncoding:
        return _KnowingEncoding(self.model.encode(image, head_length), self.truth)


@dataclass(frozen=True, eq=False)
class _KnowingEncoding:
    encoding: Encoding
    truth: Truth

    @cached_property
    def dense(self) -> DenseMaps | None:
        seen = self.encoding.dense
        return None if seen is None else self.truth.maps(seen)

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        return self.encoding.decode(prompts, part)
