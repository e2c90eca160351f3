"""How long heads are in an image: the unit of all lengths, and the scale at which a model sees the image.

Before heads are known a length is assumed. Where the look with it shows too few heads, as in a small crop of
a large image, other lengths are tried: heads are surest at the scale that is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cascade.config import CS3Config, HeadsConfig
from cascade.heads import find_heads
from cascade.sam.protocol import DenseMaps, Encoding
from cascade.types import Head, UInt8Array

Look = Callable[[float], tuple[Encoding, DenseMaps]]
"""Encodes the image as one whose heads have this length, pixels."""
ENOUGH_HEADS = 3
_SURE = 0.85
"""Score of a head from which on it tells of the scale: at a wrong one, what looks like heads scores less."""
_RESCALE = 1.15
"""A length further off than this is worth another look at the right scale."""
_ANY_SIZE = 2.5
"""Heads up to so many times as long or as short as assumed are found all the same."""
_STEP = 2.0
"""Between lengths that are tried."""
_LONGEST = 1.5
"""The image's shorter side has at least so many head lengths."""
_SHORTEST_PX = 20.0
"""Nothing shorter is tried: of heads so small no tail can be followed, and looking closer takes longest."""


@dataclass(frozen=True, eq=False)
class Scale:
    """What is known of the scale before heads are looked for in earnest.

    Attributes:
        first: the image's encoding and foreground, seen at this scale.
        head_length: pixels.
        source: "measured", "few heads", "configuration" or "image width".
    """

    first: tuple[Encoding, DenseMaps]
    head_length: float
    source: str


@dataclass(frozen=True, eq=False)
class _Guess:
    """A length, and the heads that were seen with it."""

    length: float
    first: tuple[Encoding, DenseMaps]
    heads: list[Head]

    @property
    def sure(self) -> list[Head]:
        return [head for head in self.heads if head.score >= _SURE]

    def evidence(self) -> float:
        """What speaks for this length: that heads are sure, and many."""
        return sum(head.score - _SURE for head in self.sure)


def find_scale(normalised: UInt8Array, look: Look, config: CS3Config) -> Scale:
    """Find out how long the heads are, by looks with assumed lengths.

    Args:
        normalised: `(height, width, 3)` RGB.
        look: encodes it.
        config: of the pipeline. A length that it gives is believed where there are too few heads to measure.
    """
    shape = normalised.shape[:2]
    assumed, source = assumed_head_length(shape, config)

    def guess(length: float) -> _Guess:
        first = look(length)
        return _Guess(length, first, _heads_of_any_size(normalised, first, length, config.heads))

    best = guess(assumed)
    # A model without maps sees every image at one scale: another look would show it the same.
    if len(best.sure) < ENOUGH_HEADS and source == "image width" and best.first[0].dense is not None:
        # One by one: what a look at a large image shows takes gigabytes.
        for length in _longer(assumed, shape):
            best = max(best, guess(length), key=_Guess.evidence)
        if not best.sure:
            for length in _shorter(assumed):
                best = max(best, guess(length), key=_Guess.evidence)
    if len(best.heads) >= ENOUGH_HEADS:
        source = "measured"
    elif best.sure and source == "image width":
        source = "few heads"
    else:
        return Scale(best.first, best.length, source)
    length = median_length(best.heads if source == "measured" else best.sure, shape)
    far = max(best.length / length, length / best.length) > _RESCALE
    return Scale(look(length) if far else best.first, length, source)


def assumed_head_length(shape: tuple[int, int], config: CS3Config) -> tuple[float, str]:
    """Head length in pixels while no heads are known, and where it comes from."""
    if config.preprocess.head_length_px is not None:
        return config.preprocess.head_length_px, "configuration"
    return 36 * shape[1] / 720, "image width"


def median_length(heads: list[Head], shape: tuple[int, int]) -> float:
    """Median long axis; heads cut by the border count only where there are too few others."""
    inner = [h.length for h in heads if _inside(h, shape)]
    return float(np.median(inner if len(inner) >= ENOUGH_HEADS else [h.length for h in heads]))


def _heads_of_any_size(
    normalised: UInt8Array, first: tuple[Encoding, DenseMaps], assumed: float, config: HeadsConfig
) -> list[Head]:
    """Heads as one look shows them: of the length assumed, and where those are too few, of any.

    The assumed length may be far off, and with it the areas that a head may have: nothing is taken apart for
    being too large.
    """
    once = config.model_copy(update={"rounds": 1})
    heads: list[Head] = []
    for settings in (once, _any_size(once)):
        heads, _ = find_heads(normalised, first, lambda _: first, assumed, settings, split=False)
        if len(heads) >= ENOUGH_HEADS:
            break
    return heads


def _any_size(config: HeadsConfig) -> HeadsConfig:
    smallest = {
        name: getattr(config, name) / _ANY_SIZE**2 for name in ("min_area_hl2", "min_area_at_border_hl2")
    }
    return config.model_copy(update=smallest | {"max_area_hl2": config.max_area_hl2 * _ANY_SIZE**2})


def _longer(assumed: float, shape: tuple[int, int]) -> Iterator[float]:
    """Lengths to try: the longer, the smaller the model sees the image, and the less it takes."""
    length = assumed * _STEP
    while length <= min(shape) / _LONGEST:
        yield length
        length *= _STEP


def _shorter(assumed: float) -> Iterator[float]:
    length = assumed / _STEP
    while length >= _SHORTEST_PX:
        yield length
        length /= _STEP


def _inside(head: Head, shape: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = head.region.box
    return x0 > 0 and y0 > 0 and x1 < shape[1] and y1 < shape[0]
