"""Heads: nucleus, acrosome and vacuoles, drawn from a deformed superellipse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cascade.synthesis.canvas import Canvas, grid
from cascade.synthesis.scene import HeadShape, SceneSperm
from cascade.synthesis.stains import Stain
from cascade.types import FloatArray, Region


@dataclass(frozen=True, eq=False)
class HeadTruth:
    """Pixels of a head's parts inside the picture; acrosome and nucleus do not overlap, vacuoles lie in either."""

    head: Region | None
    acrosome: Region | None
    nucleus: Region | None
    vacuoles: tuple[Region, ...]


def draw_head(
    canvas: Canvas,
    one: SceneSperm,
    shape: HeadShape,
    stain: Stain,
    head_length: float,
    rng: np.random.Generator,
) -> HeadTruth:
    """Add a head to the canvas and return its truth. `head_length` is the scene's length unit, pixels."""
    reach = 0.6 * shape.length + 0.1 * head_length
    window = canvas.window(one.centre - reach, one.centre + reach)
    if window is None:
        return HeadTruth(None, None, None, ())
    u, v = _frame(window, one, shape)
    radius = _radius(u, v, shape)
    gradient = np.hypot(*np.gradient(radius)) if min(radius.shape) > 1 else np.ones_like(radius)
    depth = (1 - radius) / np.maximum(gradient, 0.2 / shape.length)
    soft = max(0.6, float(np.hypot(rng.uniform(0.014, 0.03) * head_length, one.defocus)))
    body = 1 / (1 + np.exp(np.clip(-1.7 * depth / soft, -40, 40)))
    boundary = 1 - 2 * shape.acrosome + shape.acrosome_bulge * (v**2 - 0.3) if shape.acrosome else 1e3 + 0 * v
    blend = 1 / (1 + np.exp(np.clip(-(u - boundary) / rng.uniform(0.04, 0.16), -40, 40)))
    thick = 0.75 + 0.25 * np.sqrt(np.clip(1 - radius**2, 0, 1))
    thick = thick * (1 + rng.normal(0, 0.12) * u + rng.normal(0, 0.08) * v)
    shade = body * thick * one.stain_uptake
    cap = 1 - rng.uniform(0, 0.45) * np.clip((u - boundary) / np.maximum(1 - boundary, 0.2), 0, 1)
    holes, vacuoles = _vacuoles(canvas, window, u, v, shape, head_length, depth, rng)
    canvas.add(window, shade * (1 - blend) * holes, stain.nucleus)
    canvas.add(window, shade * blend * cap * holes, stain.acrosome)
    inside = depth > 0
    x0, y0 = window[:2]
    return HeadTruth(
        canvas.region(inside, x0, y0),
        canvas.region(inside & (u > boundary), x0, y0),
        canvas.region(inside & (u <= boundary), x0, y0),
        vacuoles,
    )


def _frame(
    window: tuple[int, int, int, int], one: SceneSperm, shape: HeadShape
) -> tuple[FloatArray, FloatArray]:
    """Pixel coordinates in half axes of the head: u towards the acrosome, v across."""
    x, y = grid(window)
    dx, dy = x - one.centre[0], y - one.centre[1]
    cos, sin = np.cos(one.heading), np.sin(one.heading)
    return (dx * cos + dy * sin) / (shape.length / 2), (dy * cos - dx * sin) / (shape.width / 2)


def _radius(u: FloatArray, v: FloatArray, shape: HeadShape) -> FloatArray:
    """Distance from the centre relative to the outline: 1 on it."""
    narrow = 1 + shape.taper * np.clip(u, -1.3, 1.3)
    power = shape.squareness
    radius = (np.abs(u) ** power + np.abs(v / np.maximum(narrow, 0.2)) ** power + 1e-9) ** (1 / power)
    angle = np.arctan2(v, u)
    bump = 1 + sum(
        amplitude * np.cos(order * angle + phase)
        for order, (amplitude, phase) in enumerate(shape.wobble.T, start=2)
    )
    return np.asarray(radius / bump)


def _vacuoles(
    canvas: Canvas,
    window: tuple[int, int, int, int],
    u: FloatArray,
    v: FloatArray,
    shape: HeadShape,
    head_length: float,
    depth: FloatArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, tuple[Region, ...]]:
    """Transmission map of the vacuoles (1 where there is none) and their pixels."""
    holes = np.ones_like(depth)
    regions = []
    for at_u, at_v, size in shape.vacuoles:
        dx, dy = (u - at_u) * shape.length / 2, (v - at_v) * shape.width / 2
        stretch = rng.uniform(0.75, 1.3)
        distance = np.hypot(dx * stretch, dy / stretch)
        radius = size * head_length
        soft = max(0.5, 0.4 * radius)
        holes = holes * (
            1 - rng.uniform(0.25, 0.75) / (1 + np.exp(np.clip((distance - radius) / (0.4 * soft), -40, 40)))
        )
        region = canvas.region((distance <= radius) & (depth > 0), *window[:2])
        if region is not None:
            regions.append(region)
    return holes, tuple(regions)
