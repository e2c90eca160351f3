"""What every drawing function needs at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cascade.synthesis.canvas import Canvas
from cascade.synthesis.stains import Stain


@dataclass(frozen=True, eq=False)
class Slide:
    """A field being drawn.

    Attributes:
        canvas: what to draw on.
        rng: source of all randomness.
        stain: its palette.
        unit: typical head length, pixels.
    """

    canvas: Canvas
    rng: np.random.Generator
    stain: Stain
    unit: float
