"""A light-absorbing layer: optical densities that objects add to, crop by crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.types import BoolArray, FloatArray, Region

Window = tuple[int, int, int, int]
"""`x0, y0, x1, y1` in pixels of the picture, ends exclusive."""


class Canvas:
    """Optical density of a field, with a border so that objects may hang over its edge.

    Attributes:
        shape: `(height, width)` of the picture.
        density: `(height + 2 border, width + 2 border, 3)` float32.
        border: pixels.
        hidden: part of the picture that a label will cover, where nothing has truth; None for none.
    """

    def __init__(self, shape: tuple[int, int], border: int, hidden: Window | None = None) -> None:
        self.hidden = hidden
        self.shape = shape
        self.border = border
        self.density: NDArray[np.float32] = np.zeros(
            (shape[0] + 2 * border, shape[1] + 2 * border, 3), np.float32
        )

    @property
    def whole(self) -> Window:
        """All of the canvas, border included."""
        return -self.border, -self.border, self.shape[1] + self.border, self.shape[0] + self.border

    def window(self, low: FloatArray, high: FloatArray) -> Window | None:
        """The drawable part of a box from `low` to `high` (x, y), None where there is none."""
        left, top, right, bottom = self.whole
        x0, y0 = max(int(np.floor(low[0])), left), max(int(np.floor(low[1])), top)
        x1, y1 = min(int(np.ceil(high[0])) + 1, right), min(int(np.ceil(high[1])) + 1, bottom)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def add(self, window: Window, amount: FloatArray, colour: FloatArray) -> None:
        """Add `amount` `(h, w)` of a dye of `colour` `(3,)` at a window."""
        x0, y0, x1, y1 = (value + self.border for value in window)
        dye = amount.astype(np.float32)
        crop = self.density[y0:y1, x0:x1]
        for channel in range(3):
            crop[..., channel] += dye * np.float32(colour[channel])

    def picture(self) -> NDArray[np.float32]:
        """The density without the border."""
        edge = self.border
        return self.density[edge : edge + self.shape[0], edge : edge + self.shape[1]]

    def visible(self, points: FloatArray) -> BoolArray:
        """Which of `(n, 2)` points lie in the picture and not under its label."""
        pixel = np.floor(points + 0.5)
        inside = (pixel >= 0).all(1) & (pixel[:, 0] < self.shape[1]) & (pixel[:, 1] < self.shape[0])
        if self.hidden is not None:
            x0, y0, x1, y1 = self.hidden
            inside &= ~((pixel >= (x0, y0)).all(1) & (pixel < (x1, y1)).all(1))
        return np.asarray(inside)

    def region(self, mask: BoolArray, x0: int, y0: int) -> Region | None:
        """A mask at `x0, y0`, cut to what is visible and trimmed; None where nothing is left."""
        top, left = max(0, -y0), max(0, -x0)
        bottom, right = self.shape[0] - y0, self.shape[1] - x0
        if bottom <= top or right <= left:
            return None
        shown = mask[top:bottom, left:right]
        if self.hidden is not None:
            a, b, c, d = self.hidden
            shown = shown.copy()
            shown[
                max(0, b - y0 - top) : max(0, d - y0 - top), max(0, a - x0 - left) : max(0, c - x0 - left)
            ] = False
        region = Region.from_full(shown, x0 + left, y0 + top)
        return region if region.area else None


def grid(window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(1, w)` x and `(h, 1)` y of a window's pixel centres."""
    x0, y0, x1, y1 = window
    return np.arange(x0, x1, dtype=np.float32)[None, :], np.arange(y0, y1, dtype=np.float32)[:, None]


def step(depth: FloatArray, soft: float | FloatArray) -> FloatArray:
    """Soft edge: 1 well inside, 0 outside; `depth` inside an outline and the scale `soft` in pixels."""
    return np.asarray(1 / (1 + np.exp(np.clip(-1.7 * depth / soft, -40, 40))))


def cloud(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> NDArray[np.float32]:
    """`shape` smooth noise of zero mean and about unit variance, features about `grain` pixels."""
    small = (max(3, int(shape[0] / grain) + 3), max(3, int(shape[1] / grain) + 3))
    noise = rng.standard_normal(small, np.float32)
    return np.asarray(
        cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * 1.3, np.float32
    )
