"""Heads: nucleus, acrosome and vacuoles, drawn from a deformed superellipse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cascade.synthesis.canvas import Window, grid, step
from cascade.synthesis.scene import HeadShape, SceneSperm
from cascade.synthesis.slide import Slide
from cascade.types import FloatArray, Region


@dataclass(frozen=True, eq=False)
class HeadTruth:
    """Pixels of a head's parts; acrosome and nucleus do not overlap, vacuoles lie in either."""

    head: Region | None
    acrosome: Region | None
    nucleus: Region | None
    vacuoles: tuple[Region, ...]


NO_HEAD = HeadTruth(None, None, None, ())


@dataclass(frozen=True, eq=False)
class _Frame:
    """A head's own coordinates over a window.

    Attributes:
        window: where.
        u, v: `(h, w)` in half axes, u towards the acrosome's tip, v across.
        radius: 1 on the outline.
        depth: pixels inside the outline (negative outside).
    """

    window: Window
    u: FloatArray
    v: FloatArray
    radius: FloatArray
    depth: FloatArray


def draw_head(slide: Slide, one: SceneSperm, shape: HeadShape) -> HeadTruth:
    """Add a head to the slide and return its truth."""
    reach = 0.6 * shape.length + 0.1 * slide.unit
    window = slide.canvas.window(one.centre - reach, one.centre + reach)
    if window is None or min(window[2] - window[0], window[3] - window[1]) < 2:
        return NO_HEAD
    frame = _frame(window, one, shape)
    boundary = np.full(frame.u.shape, np.inf)
    if shape.acrosome:
        boundary = 1 - 2 * shape.acrosome + shape.acrosome_bulge * (frame.v**2 - 0.3)
    holes, vacuoles = _vacuoles(slide, frame, shape)
    _stain(slide, frame, one, boundary, holes)
    inside, front = frame.depth > 0, frame.u > boundary
    x0, y0 = window[:2]
    region = slide.canvas.region
    return HeadTruth(
        region(inside, x0, y0), region(inside & front, x0, y0), region(inside & ~front, x0, y0), vacuoles
    )


def _stain(slide: Slide, frame: _Frame, one: SceneSperm, boundary: FloatArray, holes: FloatArray) -> None:
    """Dye of nucleus and acrosome, fading into each other, the acrosome paling towards its tip.

    Experts outline a head up to 0.03 head lengths outside its darkest edge, hence the inset; and the
    acrosome from where the nucleus begins to fade, hence the shift of the blend.
    """
    rng, u, radius = slide.rng, frame.u, frame.radius
    soft = max(0.6, float(np.hypot(rng.uniform(0.012, 0.03) * slide.unit, one.defocus)))
    blend = step(u - boundary - rng.uniform(0, 0.3), 1.7 * rng.uniform(0.04, 0.3))
    thick = 0.8 + 0.2 * np.sqrt(np.clip(1 - radius**2, 0, 1))
    thick = thick + rng.uniform(-0.05, 0.2) * np.exp(-((1 - radius) ** 2) / 0.01)
    thick = thick * (1 + rng.normal(0, 0.12) * u + rng.normal(0, 0.08) * frame.v)
    inset = rng.uniform(0.0, 0.035) * slide.unit
    shade = step(frame.depth - inset, soft) * np.maximum(thick, 0.2) * one.stain_uptake * holes
    start = np.minimum(boundary, 0.8)
    toward_tip = np.clip((u - start) / (1 - start), 0, 1)
    cap = rng.uniform(0.95, 1.5) - rng.uniform(0.1, 0.9) * toward_tip
    slide.canvas.add(frame.window, shade * (1 - blend), slide.stain.nucleus)
    slide.canvas.add(frame.window, shade * blend * cap, slide.stain.acrosome)


def _frame(window: Window, one: SceneSperm, shape: HeadShape) -> _Frame:
    x, y = grid(window)
    dx, dy = x - one.centre[0], y - one.centre[1]
    cos, sin = np.cos(one.heading), np.sin(one.heading)
    u, v = (dx * cos + dy * sin) / (shape.length / 2), (dy * cos - dx * sin) / (shape.width / 2)
    radius = _radius(u, v, shape)
    down, right = np.gradient(radius)
    slope = np.maximum(np.hypot(down, right), 0.2 / shape.length)
    return _Frame(window, u, v, radius, (1 - radius) / slope)


def _radius(u: FloatArray, v: FloatArray, shape: HeadShape) -> FloatArray:
    """Distance from the centre relative to the outline: 1 on it."""
    narrow = np.maximum(1 + shape.taper * np.clip(u, -1.3, 1.3), 0.2)
    power = shape.squareness
    radius = (np.abs(u) ** power + np.abs(v / narrow) ** power + 1e-9) ** (1 / power)
    angle = np.arctan2(v, u)
    bump = 1 + sum(
        amplitude * np.cos(order * angle + phase)
        for order, (amplitude, phase) in enumerate(shape.wobble.T, start=2)
    )
    return np.asarray(radius / bump)


def _vacuoles(slide: Slide, frame: _Frame, shape: HeadShape) -> tuple[FloatArray, tuple[Region, ...]]:
    """How much dye the vacuoles leave (1 where there is none), and their pixels."""
    holes = np.ones_like(frame.depth)
    regions = []
    for at_u, at_v, size in shape.vacuoles:
        dx, dy = (frame.u - at_u) * shape.length / 2, (frame.v - at_v) * shape.width / 2
        stretch, radius = slide.rng.uniform(0.75, 1.3), size * slide.unit
        depth = radius - np.hypot(dx * stretch, dy / stretch)
        holes = holes * (1 - slide.rng.uniform(0.25, 0.75) * step(depth, max(0.4, 0.3 * radius)))
        region = slide.canvas.region((depth >= 0) & (frame.depth > 0), *frame.window[:2])
        if region is not None:
            regions.append(region)
    return holes, tuple(regions)
