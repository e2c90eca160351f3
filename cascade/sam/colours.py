"""Stains of colours that `tiny` was not taught: it is shown their shades alone.

It has learnt that heads take green light away, and is blind to what lets it pass. Shades it knows as well as
colours.
"""

from __future__ import annotations

import numpy as np

from cascade.preprocess import WHITE
from cascade.types import UInt8Array

_KNOWN = (0.63, 0.77, 0.13)
"""How much of red, green and blue stained heads absorb, as a unit vector: the mean of development images."""
_LIKE = 0.92
"""Cosine with it from which on colours are familiar: those of purple, blue and pink stains, and of purple
heads above green tails, are at 0.93 or more, of red and yellow ones at 0.90 or less."""
_DARKEST = 0.99
"""Quantile of darkness above which heads lie, in most fields."""


def in_known_colours(normalised: UInt8Array) -> UInt8Array:
    """The image itself, or, where its stain is of another colour than those taught, its shades.

    Args:
        normalised: `(height, width, 3)` RGB, background at `cascade.preprocess.WHITE`.
    """
    return normalised if familiar(normalised) else shades(normalised)


def familiar(normalised: UInt8Array) -> bool:
    """Whether what is darkest absorbs what a familiar stain absorbs; an even picture is familiar, too."""
    absorbed = np.clip(WHITE - normalised.astype(np.float32), 0, None)
    total = absorbed.sum(-1)
    colour = absorbed[total >= np.quantile(total, _DARKEST)].mean(0)
    size = float(np.linalg.norm(colour))
    return size == 0 or float(colour @ _KNOWN) / size >= _LIKE


def shades(image: UInt8Array) -> UInt8Array:
    """An RGB image whose three colours are their mean."""
    mean = image.astype(np.float32).mean(-1, keepdims=True) + 0.5
    return np.repeat(mean.astype(np.uint8), 3, -1)
