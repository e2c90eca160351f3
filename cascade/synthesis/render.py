"""Scene → picture and exact truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cascade.errors import ConfigError
from cascade.synthesis.appearance import Appearance
from cascade.synthesis.camera import Camera, optical_blur, photograph, sample_camera, sample_label
from cascade.synthesis.canvas import Canvas
from cascade.synthesis.debris import draw_debris, sample_grime
from cascade.synthesis.flagella import FlagellumTruth, draw_flagellum
from cascade.synthesis.heads import NO_HEAD, HeadTruth, draw_head
from cascade.synthesis.imitation import camera_like, count_like, grime_like, stain_like, style_like
from cascade.synthesis.residue import draw_residue
from cascade.synthesis.scene import Scene, SceneSperm, sample_scene
from cascade.synthesis.slide import Grime, Slide
from cascade.synthesis.stains import Stain, sample_stain
from cascade.types import FloatArray, Region, UInt8Array

IN_VIEW = 0.1
"""A head counts as in view when at least this fraction of its ellipse lies inside the picture."""
NOTICED = (0.018, 0.026)
"""Optical density at which an expert loses a flagellum: 4 to 6 grey levels on a bright slide."""


@dataclass(frozen=True, eq=False)
class SyntheticSperm:
    """Truth of one sperm. Regions are amodal among sperm: where two cross, both own the pixel.

    Attributes:
        sperm_id: unique in its picture, from 1.
        head: acrosome ∪ nucleus ∪ vacuoles, or None where no head is in view.
        acrosome, nucleus: its parts; None where absent. They do not overlap.
        vacuoles: pixels of each vacuole, a subset of the head.
        midpiece, tail: the flagellum without its own head's pixels; None where nothing is visible.
        flagellum_centreline: `(n, 2)` x, y of what is visible inside the picture, from the head to the tip.
        has_head: whether the head is in view.
    """

    sperm_id: int
    head: Region | None
    acrosome: Region | None
    nucleus: Region | None
    vacuoles: tuple[Region, ...]
    midpiece: Region | None
    tail: Region | None
    flagellum_centreline: FloatArray
    has_head: bool

    @property
    def flagellum(self) -> Region | None:
        """Midpiece ∪ tail."""
        if self.midpiece is None or self.tail is None:
            return self.midpiece or self.tail
        return self.midpiece.union(self.tail)


@dataclass(frozen=True, eq=False)
class SyntheticSmear:
    """One synthetic field.

    Attributes:
        image: `(height, width, 3)` RGB uint8.
        sperm: truth of every sperm of which anything is visible.
        stain: name of the palette.
        head_length: typical long axis of a head, pixels.
    """

    image: UInt8Array
    sperm: tuple[SyntheticSperm, ...]
    stain: str
    head_length: float


def synthesize(
    seed: int,
    shape: tuple[int, int] = (1024, 1280),
    head_length: float = 90.0,
    stain: str | None = None,
    *,
    like: Appearance | None = None,
    magnification: float = 100.0,
) -> SyntheticSmear:
    """A synthetic stained smear with its truth; the same arguments give the same smear.

    Args:
        seed: non-negative.
        shape: `(height, width)`, pixels.
        head_length: typical long axis of a head, pixels; everything scales with it.
        stain: a name from `STAINS`, or None for a random one.
        like: draw what looks like this instead; colours, widths, sharpness and amounts are its, `shape` and
            `head_length` are not.
        magnification: of the objective, 40 to 100: how sharp it can be; `head_length` says the size.

    Raises:
        ConfigError: a size that is not positive, a negative seed, an unknown stain or magnification, or a
            stain beside `like`.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}; choose a non-negative integer")
    if min(shape) < 16 or not 4 <= head_length <= 4 * max(shape):
        raise ConfigError(
            f"a field needs at least 16 × 16 px and a head length of 4 px or more, got shape {shape} and "
            f"head length {head_length}; choose a larger field or head"
        )
    if stain is not None and like is not None:
        raise ConfigError(f"expected a stain or an appearance, got both ({stain!r}); leave one out")
    if not 40 <= magnification <= 100:
        raise ConfigError(f"magnification must be 40 to 100, got {magnification}; choose 40, 60 or 100")
    rng = np.random.default_rng(seed)
    if like is not None:
        count = count_like(like, shape, head_length)
        scene = sample_scene(rng, shape, head_length, count, style_like(rng, like))
        return render(scene, stain_like(rng, like), rng, camera_like(like), grime_like(rng, like))
    palette = sample_stain(rng, stain)
    camera = replace(sample_camera(rng), halo=palette.halo)
    camera = replace(camera, blur=float(np.hypot(camera.blur, optical_blur(magnification))))
    return render(sample_scene(rng, shape, head_length), palette, rng, camera, sample_grime(rng))


def render(
    scene: Scene, stain: Stain, rng: np.random.Generator, camera: Camera, grime: Grime
) -> SyntheticSmear:
    """Draw a scene: debris below, flagella and heads, then the camera."""
    unit = scene.head_length
    label = sample_label(rng, scene.shape)
    slide = Slide(Canvas(scene.shape, max(2, round(0.2 * unit)), label), rng, stain, unit, grime)
    draw_debris(slide)
    noticed = float(rng.uniform(*NOTICED))
    drawn = (_draw_sperm(slide, one, noticed) for one in scene.sperm)
    truths = tuple(truth for truth in drawn if truth is not None)
    image = photograph(slide.canvas.picture(), stain.background, rng, unit, camera, label)
    return SyntheticSmear(image, truths, stain.name, unit)


def _draw_sperm(slide: Slide, one: SceneSperm, noticed: float) -> SyntheticSperm | None:
    flagellum = draw_flagellum(slide, one, noticed)
    head = NO_HEAD if one.head is None else draw_head(slide, one, one.head)
    draw_residue(slide, one)
    return _truth(one, head, flagellum)


def _truth(one: SceneSperm, head: HeadTruth, flagellum: FlagellumTruth) -> SyntheticSperm | None:
    whole = 0.0 if one.head is None else np.pi / 4 * one.head.length * one.head.width
    if head.head is None or head.head.area < IN_VIEW * whole:
        head = NO_HEAD
    midpiece, tail = _without(flagellum.midpiece, head.head), _without(flagellum.tail, head.head)
    if head.head is None and midpiece is None and tail is None:
        return None
    return SyntheticSperm(
        sperm_id=one.sperm_id,
        head=head.head,
        acrosome=head.acrosome,
        nucleus=head.nucleus,
        vacuoles=head.vacuoles,
        midpiece=midpiece,
        tail=tail,
        flagellum_centreline=flagellum.centreline,
        has_head=head.head is not None,
    )


def _without(region: Region | None, taken: Region | None) -> Region | None:
    """`region` less the pixels of `taken`; None where nothing is left."""
    if region is None or taken is None:
        return region
    x0, y0, x1, y1 = region.box
    shifted = Region(taken.mask, taken.x0 - x0, taken.y0 - y0)
    left = Region.from_full(region.mask & ~shifted.full((y1 - y0, x1 - x0)), x0, y0)
    return left if left.area else None
