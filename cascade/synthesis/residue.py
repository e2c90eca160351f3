"""What clings to a sperm without being part of it: cytoplasm at the neck, particles on the flagellum."""

from __future__ import annotations

import numpy as np

from cascade.synthesis.canvas import step
from cascade.synthesis.debris import blob, stroke
from cascade.synthesis.scene import SceneSperm
from cascade.synthesis.slide import Slide
from cascade.types import FloatArray


def draw_residue(slide: Slide, one: SceneSperm) -> None:
    """Add a pale sheath and ragged beads about the midpiece, and specks along the flagellum."""
    if len(one.centreline) < 60:
        return
    rng, midpiece = slide.rng, slide.stain.midpiece
    if one.droplet:
        if rng.random() < 0.4:
            sheath = one.centreline[: int(rng.integers(15, 60))]
            stroke(slide, sheath, one.droplet * rng.uniform(0.3, 0.6), midpiece * rng.uniform(0.15, 0.5))
        for _ in range(int(rng.choice([1, 2, 4]))):
            at = one.centreline[int(rng.integers(2, 60))]
            _bead(slide, at, one.droplet * rng.uniform(0.4, 1.0), midpiece * rng.uniform(0.2, 0.9))
    for _ in range(rng.poisson(0.8)):
        at = one.centreline[int(rng.integers(len(one.centreline)))]
        _bead(slide, at, slide.unit * rng.uniform(0.02, 0.09), slide.stain.tail * rng.uniform(0.3, 1.8))


def _bead(slide: Slide, at: FloatArray, size: float, colour: FloatArray) -> None:
    centre = at + slide.rng.normal(0, 0.5 * size, 2)
    window = slide.canvas.window(centre - 2 * size - 1, centre + 2 * size + 1)
    if window is not None:
        depth = blob(slide.rng, window, np.asarray(centre), size, 0.25)
        slide.canvas.add(window, step(depth, max(0.5, 0.3 * size)), colour)
