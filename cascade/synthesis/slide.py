"""What every drawing function needs at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cascade.synthesis.canvas import Canvas
from cascade.synthesis.stains import Stain


@dataclass(frozen=True)
class Grime:
    """How dirty a slide is.

    Attributes:
        debris: amount of debris, 1 is usual.
        mottle, haze: unevenness of the residual stain, optical density, at about a tenth of a head length
            and at some head lengths.
        flecks: amount of fine precipitate strewn all over the slide, 0 for none.
    """

    debris: float
    mottle: float
    haze: float
    flecks: float


@dataclass(frozen=True, eq=False)
class Slide:
    """A field being drawn.

    Attributes:
        canvas: what to draw on.
        rng: source of all randomness.
        stain: its palette.
        unit: typical head length, pixels.
        grime: what else lies on it.
    """

    canvas: Canvas
    rng: np.random.Generator
    stain: Stain
    unit: float
    grime: Grime
