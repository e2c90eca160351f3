"""Everything that is asked about one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cascade.looks.picture import CHANNELS, SIDE, Canvas
from cascade.types import FloatArray, Region, UInt8Array

if TYPE_CHECKING:
    from cascade.looks.network import LookJudge

ShownLink = tuple[FloatArray, FloatArray]
"""Two lines, `(n, 2)` and `(m, 2)`, each from its end at the link on."""
ShownPair = tuple[Region, FloatArray, FloatArray, FloatArray]
"""A head, where on it a tail would begin, the direction out of it, and the tail from its end there on."""


@dataclass(frozen=True, eq=False)
class ImageLooks:
    """What the judge sees in one image.

    Attributes:
        judge: the network.
        canvas: of the image.
        origin, scale: lead from the picture that lines are traced in, a cut-out or the image itself, to the
            image: a point p of it lies at (p + 0.5) / scale - 0.5 + origin.
    """

    judge: LookJudge
    canvas: Canvas
    origin: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0

    def inside(self, origin: tuple[float, float], scale: float) -> ImageLooks:
        """The same for lines in a cut-out at `origin` that is enlarged by `scale`."""
        return replace(self, origin=origin, scale=scale)

    def links(self, lines: Sequence[FloatArray], links: Sequence[ShownLink]) -> FloatArray:
        """Log-odds `(n,)` that a tail runs over each link; `lines`: all lines of the picture."""
        layers = self.canvas.with_lines([self._back(line) for line in lines])
        pictures = [self.canvas.of_link(layers, self._back(a), self._back(b)) for a, b in links]
        return self._odds(pictures, pairs=False)

    def pairs(self, lines: Sequence[FloatArray], pairs: Sequence[ShownPair]) -> FloatArray:
        """Log-odds `(n,)` that each tail is the head's; `lines`: all tails of the image."""
        layers = self.canvas.with_lines(lines)
        return self._odds([self.canvas.of_pair(layers, *pair) for pair in pairs], pairs=True)

    def _odds(self, pictures: list[UInt8Array], pairs: bool) -> FloatArray:
        stacked = np.stack(pictures) if pictures else np.zeros((0, CHANNELS, SIDE, SIDE), np.uint8)
        return self.judge.odds(stacked, pairs)

    def _back(self, points: FloatArray) -> FloatArray:
        back: FloatArray = (points + 0.5) / self.scale - 0.5 + np.array(self.origin)
        return back
