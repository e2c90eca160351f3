"""How long tails are, and what that says: a short piece at a head goes on, a whole tail has a head."""

from __future__ import annotations

from collections.abc import Sequence

from cascade.geometry import polyline_length
from cascade.types import Tail

_WHOLE_HL, _STUB_HL = 5.0, 2.0
"""A piece at a head speaks for going on below the first length, and loudest below the second."""
_GOES_ON = 3.0
"""Log-odds that a stub goes on. Of tails that end in view, one in ten is shorter than four head lengths."""
_LONGEST_HL = 11.5
"""Hardly a tail is longer; the middle one of those that end in view has 9."""
_TOO_LONG = 1.0
"""Log-odds that speak against two pieces being one, for each head length beyond the longest."""

_IN_VIEW_HL = 1.0
"""A tail ends in view where it ends further than this from the image's border."""
_HAS_A_HEAD = 2.0
"""Log-odds that a tail which ends in view at both ends has one of the heads near it."""


def going_on(length: float, at_head: bool) -> float:
    """Log-odds by which a piece of a tail rather goes on than ends where it does.

    Args:
        length: of the piece, head lengths.
        at_head: whether its other end lies at a head.
    """
    if not at_head:
        return 0.0
    return _GOES_ON * min(max((_WHOLE_HL - length) / (_WHOLE_HL - _STUB_HL), 0.0), 1.0)


def being_one(length: float) -> float:
    """Log-odds that the length of two pieces together, head lengths, adds to their being one tail."""
    return -_TOO_LONG * max(length - _LONGEST_HL, 0.0)


def having_a_head(tails: Sequence[Tail], head_length: float, shape: tuple[int, int]) -> list[float]:
    """Log-odds by which each tail, all its pieces joined, rather has one of the heads near it than none.

    A tail that lies in view as a whole, and is no stub, has its head in view.

    Args:
        tails: after joining.
        head_length: pixels.
        shape: `(height, width)` of the image.
    """
    height, width = shape
    out = []
    for tail in tails:
        ends = tail.centreline[[0, -1]]
        away = min(ends.min(), (width - 1 - ends[:, 0]).min(), (height - 1 - ends[:, 1]).min())
        long = polyline_length(tail.centreline) >= _WHOLE_HL * head_length
        out.append(_HAS_A_HEAD if long and away > _IN_VIEW_HL * head_length else 0.0)
    return out
