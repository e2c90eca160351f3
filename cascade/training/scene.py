"""One picture to learn from, and what is true of it, or believed."""

from __future__ import annotations

from dataclasses import dataclass

from cascade.types import BoolArray, FloatArray, Region, UInt8Array

SHAPE = (512, 640)
"""Height and width of a picture to learn from, working pixels."""
HEAD_LENGTHS = (30.0, 62.0)
"""Range of head lengths, working pixels: wide, so that a first look at an image of unknown scale works."""


@dataclass(frozen=True, eq=False)
class SceneSperm:
    """A sperm of a scene.

    Attributes:
        sperm_id: unique in its scene.
        head, flagellum: pixels; None where nothing of them is in view.
        flagellum_centreline: `(n, 2)` x, y of what is in view, from the head to the tip.
    """

    sperm_id: int
    head: Region | None
    flagellum: Region | None
    flagellum_centreline: FloatArray


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture of `SHAPE` and its sperm.

    Attributes:
        image: `(height, width, 3)` RGB uint8, normalised.
        sperm: everything of which something is in view.
        head_length: pixels.
        unsure: `(height, width)` pixels of which nothing is taught; None: there are none.
    """

    image: UInt8Array
    sperm: tuple[SceneSperm, ...]
    head_length: float
    unsure: BoolArray | None = None
