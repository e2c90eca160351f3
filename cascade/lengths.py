"""How long tails are, and what that says of a piece: a short one at a head goes on somewhere."""

from __future__ import annotations

_WHOLE_HL, _STUB_HL = 5.0, 2.0
"""A piece at a head speaks for going on below the first length, and loudest below the second."""
_GOES_ON = 3.0
"""Log-odds that a stub goes on. Of tails that end in view, one in ten is shorter than four head lengths."""
_LONGEST_HL = 11.5
"""Hardly a tail is longer; the middle one of those that end in view has 9."""
_TOO_LONG = 1.0
"""Log-odds that speak against two pieces being one, for each head length beyond the longest."""


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
