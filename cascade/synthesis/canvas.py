"""A light-absorbing layer: optical densities that objects add to, crop by crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cascade.types import BoolArray, FloatArray, Region


class Canvas:
    """Optical density of a field, with a border so that objects may hang over its edge.

    Attributes:
        shape: `(height, width)` of the picture.
        density: `(height + 2 border, width + 2 border, 3)` float32.
        border: pixels.
    """

    def __init__(self, shape: tuple[int, int], border: int) -> None:
        self.shape = shape
        self.border = border
        self.density: NDArray[np.float32] = np.zeros(
            (shape[0] + 2 * border, shape[1] + 2 * border, 3), np.float32
        )

    def window(self, low: FloatArray, high: FloatArray) -> tuple[int, int, int, int] | None:
        """`x0, y0, x1, y1` in picture coordinates of the drawable part of a box, or None where nothing of it is."""
        edge = self.border
        x0, y0 = max(int(np.floor(low[0])), -edge), max(int(np.floor(low[1])), -edge)
        x1 = min(int(np.ceil(high[0])) + 1, self.shape[1] + edge)
        y1 = min(int(np.ceil(high[1])) + 1, self.shape[0] + edge)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def add(self, window: tuple[int, int, int, int], amount: FloatArray, colour: FloatArray) -> None:
        """Add `amount` `(h, w)` of a dye of `colour` `(3,)` at a window."""
        x0, y0, x1, y1 = (value + self.border for value in window)
        self.density[y0:y1, x0:x1] += amount[..., None].astype(np.float32) * colour.astype(np.float32)

    def picture(self) -> NDArray[np.float32]:
        """The density without the border."""
        edge = self.border
        return self.density[edge : edge + self.shape[0], edge : edge + self.shape[1]]

    def region(self, mask: BoolArray, x0: int, y0: int) -> Region | None:
        """A mask at `x0, y0`, cut to the picture and trimmed; None where nothing is left."""
        top, left = max(0, -y0), max(0, -x0)
        bottom, right = self.shape[0] - y0, self.shape[1] - x0
        if bottom <= top or right <= left:
            return None
        region = Region.from_full(mask[top:bottom, left:right], x0 + left, y0 + top)
        return region if region.area else None


def grid(window: tuple[int, int, int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(1, w)` x and `(h, 1)` y of a window's pixel centres."""
    x0, y0, x1, y1 = window
    return np.arange(x0, x1, dtype=np.float32)[None, :], np.arange(y0, y1, dtype=np.float32)[:, None]
