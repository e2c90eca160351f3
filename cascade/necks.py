"""Which end of a head its tail leaves from: the darker; the acrosome, at the other, takes less stain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascade.geometry import angle_between
from cascade.types import FloatArray, Head

_CONTRAST = 0.025
"""Relative difference in darkness between the halves of a head that makes its darker end e times likelier."""
_MOST_ODDS = 4.0
_BESIDE = 2.0
"""Log-odds by which a tail is less likely to leave anywhere else than at an end of the long axis."""
_WAIST = 0.2
"""This share of a half axis on either side of the centre belongs to neither half."""


@dataclass(frozen=True, eq=False)
class Neck:
    """One end of a head's long axis, where its tail may leave.

    Attributes:
        head: index of the head.
        place: `(2,)` x, y.
        out: `(2,)` unit vector out of the head.
        odds: log-odds that the tail leaves here and not at the other end.
    """

    head: int
    place: FloatArray
    out: FloatArray
    odds: float

    @property
    def probability(self) -> float:
        """0–1 that the tail leaves here and not at the other end."""
        return 1 / (1 + math.exp(-self.odds))

    def fits(self, place: FloatArray, leaves: FloatArray) -> tuple[float, float]:
        """Distance, in pixels, and angle, in degrees, at which a tail that begins there would leave."""
        return float(np.hypot(*(place - self.place))), angle_between(self.out, leaves)

    def moved(self, scale: float, origin: tuple[float, float]) -> Neck:
        """The same neck in a picture cut out at `origin` (x, y) and enlarged by `scale`."""
        return replace(self, place=(self.place - np.array(origin) + 0.5) * scale - 0.5)


def find_necks(heads: Sequence[Head], dark: FloatArray | None = None) -> list[Neck]:
    """Both ends of every head, with the odds of either.

    Args:
        heads: of the image.
        dark: `(height, width)` darkness of the normalised image; None: both ends of every head are as likely.
    """
    necks: list[Neck] = []
    for number, head in enumerate(heads):
        odds = 0.0 if dark is None else polarity(head, dark)
        for place, sign in zip(head.ends, (1, -1), strict=True):
            out = place - head.centre
            necks.append(Neck(number, place, out / max(float(np.hypot(*out)), 1e-6), sign * odds))
    return necks


def neck_beside(number: int, head: Head, place: FloatArray, dark: FloatArray) -> Neck:
    """A neck anywhere on the outline, for a tail that leaves beside the ends of the long axis.

    Round heads, bent ones and those drawn too large hardly have a long axis.

    Args:
        number: index of the head.
        head: itself.
        place: `(2,)` x, y on its outline.
        dark: `(height, width)` darkness of the normalised image.
    """
    out = place - head.centre
    out = out / max(float(np.hypot(*out)), 1e-6)
    return Neck(number, place, out, polarity(head, dark, out * head.length / 2) - _BESIDE)


def polarity(head: Head, dark: FloatArray, half: FloatArray | None = None) -> float:
    """Log-odds that the tail leaves at one end of a head: above 0 where that half is darker than the other.

    Args:
        head: of the image.
        dark: `(height, width)` darkness of the normalised image.
        half: `(2,)` from the head's centre to that end; None: to the first end of its long axis.
    """
    height, width = dark.shape
    ys, xs = np.nonzero(head.region.mask)
    xs, ys = xs + head.region.x0, ys + head.region.y0
    inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    xs, ys = xs[inside], ys[inside]
    half = head.ends[0] - head.centre if half is None else half
    along = (np.stack([xs, ys], -1) - head.centre) @ half / max(float(half @ half), 1e-6)
    first, second = along > _WAIST, along < -_WAIST
    if not first.any() or not second.any():
        return 0.0
    shade = dark[ys, xs]
    one, other = float(shade[first].mean()), float(shade[second].mean())
    contrast = (one - other) / max(one + other, 1e-6)
    return float(np.clip(contrast / _CONTRAST, -_MOST_ODDS, _MOST_ODDS))
