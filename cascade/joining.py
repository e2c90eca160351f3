"""Pieces of one tail that different rounds found: joined where the unpainted image says that they are one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from cascade.affinity import unasked
from cascade.config import JoiningConfig, TailsConfig
from cascade.geometry import paint_polyline, polyline_length, smooth_polyline
from cascade.looks.links import LinkLook
from cascade.rounds import ask_about
from cascade.sam.protocol import DenseMaps, Encoding
from cascade.skeleton import Branch, Skeleton
from cascade.tracing import Tracer
from cascade.types import FloatArray, Tail
from cascade.walks import Walk, find_walks


def join_pieces(
    tails: list[Tail],
    at_heads: Collection[tuple[int, int]],
    dark: FloatArray,
    first: tuple[Encoding, DenseMaps],
    head_length: float,
    config: JoiningConfig,
    asking: TailsConfig,
    look: LinkLook | None = None,
) -> tuple[list[Tail], Tracer | None]:
    """Join tails end to end.

    Painting a tail white also cuts those that cross it, and what is left of them is found piece by piece.

    Args:
        tails: found by the rounds, in any order.
        at_heads: tail index and end (0: first point, 1: last) of the tails that fit a head: there nothing is
            joined, and two tails with a head each never become one.
        dark: `(height, width)` darkness of the normalised image, nothing painted.
        first: the encoding and foreground of that image.
        head_length: pixels.
        config: of this stage.
        asking: how branches are asked about, where there is no look.
        look: how links look in the image; None: the model is asked instead.

    Returns:
        The tails, and what judged how they go on; None where nothing was to be joined.
    """
    if not config.enabled or len(tails) < 2:
        return tails, None
    tracer = _tracer_of(tails, at_heads, dark, first, head_length, config, asking, look)
    shape = first[1].tail.shape
    return [_tail(walk, tails, head_length, shape) for walk in find_walks(tracer, config.min_link)], tracer


def _tracer_of(
    tails: list[Tail],
    at_heads: Collection[tuple[int, int]],
    dark: FloatArray,
    first: tuple[Encoding, DenseMaps],
    head_length: float,
    config: JoiningConfig,
    asking: TailsConfig,
    look: LinkLook | None = None,
) -> Tracer:
    """What judges how each of several tails may go on as another; arguments as of `join_pieces`."""
    encoding, foreground = first
    skeleton = _as_skeleton(tails)
    # Where a look judges, the model's masks of pieces tell nothing more (docs/experiments.md).
    affinity = (
        ask_about(encoding, skeleton, foreground.tail.shape, head_length, asking)[0]
        if look is None
        else unasked(len(tails))
    )
    return Tracer(
        skeleton,
        foreground,
        head_length,
        affinity,
        config.gap_hl * head_length,
        asking.use_direction,
        closed=frozenset(at_heads),
        share=True,
        dark=dark,
        weights=asking.links,
        look=look,
    )


def _as_skeleton(tails: list[Tail]) -> Skeleton:
    """Every tail a branch with two free ends, a point a pixel."""
    lines = [smooth_polyline(tail.centreline, 1.0, 0.0) for tail in tails]
    branches = [Branch(line, (2 * i, 2 * i + 1)) for i, line in enumerate(lines)]
    nodes = np.array([line[end] for line in lines for end in (0, -1)])
    return Skeleton(branches, nodes, [[(i, end)] for i in range(len(lines)) for end in (0, 1)])


def _tail(walk: Walk, tails: list[Tail], head_length: float, shape: tuple[int, int]) -> Tail:
    pieces = [tails[i] for i, _ in walk.steps]
    if len(pieces) == 1:
        return pieces[0]
    lengths = np.array([polyline_length(piece.centreline) for piece in pieces])
    score = float((lengths * [piece.score for piece in pieces]).sum() / lengths.sum())
    longest = pieces[int(np.argmax(lengths))]
    line = smooth_polyline(walk.points, 0.05 * head_length, 0.08 * head_length)
    region = paint_polyline(line, longest.width, shape)
    return replace(longest, centreline=line, region=region, score=score)
