"""What else lies on a slide: specks, droplets, rings, cells, smudges, granules, bacteria and fibres.

None of it has truth: it is what a network must learn to leave alone.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.synthesis.canvas import Canvas, grid
from cascade.synthesis.curves import CurveStyle, trace
from cascade.synthesis.stains import Stain
from cascade.types import FloatArray

Drawer = Callable[[Canvas, np.random.Generator, Stain, float], None]


def draw_debris(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """Scatter debris; amounts differ widely from field to field. `unit` is the head length in pixels."""
    area = canvas.shape[0] * canvas.shape[1] / unit**2 / 160
    kinds: list[tuple[Drawer, float]] = [
        (_smudge, 1.2),
        (_granules, 0.5),
        (_droplet, 5.0),
        (_speck, 18.0),
        (_ring, 1.5),
        (_flake, 5.0),
        (_cell, 0.35),
        (_bacteria, 0.5),
        (_fibre, 0.8),
    ]
    dirt = float(np.exp(rng.normal(-0.2, 0.7)))
    for draw, mean in kinds:
        for _ in range(rng.poisson(mean * area * dirt * rng.gamma(1.2, 0.8))):
            draw(canvas, rng, stain, unit)


def cloud(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> NDArray[np.float32]:
    """`shape` smooth noise of zero mean and unit variance, features about `grain` pixels."""
    small = (max(3, int(shape[0] / grain) + 3), max(3, int(shape[1] / grain) + 3))
    noise = rng.standard_normal(small).astype(np.float32)
    return cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * 1.3


def _place(canvas: Canvas, rng: np.random.Generator) -> FloatArray:
    return rng.uniform([0, 0], [canvas.shape[1], canvas.shape[0]])


def _colour(rng: np.random.Generator, stain: Stain) -> FloatArray:
    own = [stain.tail * 2, stain.midpiece, stain.acrosome * 0.7]
    if rng.random() < 0.5:
        return own[int(rng.integers(3))] * np.exp(rng.normal(0, 0.2, 3))
    return stain.debris[int(rng.integers(len(stain.debris)))] * np.exp(rng.normal(0, 0.25, 3))


def _blob(
    rng: np.random.Generator,
    window: tuple[int, int, int, int],
    centre: FloatArray,
    radius: float,
    rough: float,
) -> FloatArray:
    """Signed depth in pixels of an irregular disc (positive inside)."""
    x, y = grid(window)
    dx, dy = x - centre[0], y - centre[1]
    angle = np.arctan2(dy, dx)
    stretch, turn = np.exp(rng.normal(0, rough)), rng.uniform(0, np.pi)
    cos, sin = np.cos(turn), np.sin(turn)
    r = np.hypot((dx * cos + dy * sin) * stretch, (dy * cos - dx * sin) / stretch)
    edge = 1 + sum(
        rng.normal(0, rough / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5, 7)
    )
    return np.asarray(radius * edge - r)


def _step(depth: FloatArray, soft: float) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(np.clip(-1.7 * depth / soft, -40, 40))))


def _disc(
    canvas: Canvas,
    rng: np.random.Generator,
    colour: FloatArray,
    radius: float,
    rough: float,
    soft: float,
    rim: float,
) -> None:
    """An irregular disc, mottled, its rim darker (positive) or alone (1 and above)."""
    centre = _place(canvas, rng)
    window = canvas.window(centre - 1.8 * radius - 3 * soft, centre + 1.8 * radius + 3 * soft)
    if window is None:
        return
    depth = _blob(rng, window, centre, radius, rough)
    fill = _step(depth, soft) * (1 + 0.25 * cloud(rng, depth.shape, max(2.0, radius / 2)))
    edge = np.exp(-0.5 * (depth / (soft * 1.1)) ** 2)
    amount = np.clip(fill * max(0.0, 1 - rim) + edge * rim, 0, None)
    canvas.add(window, amount, colour)


def _speck(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    _disc(
        canvas,
        rng,
        _colour(rng, stain) * rng.uniform(0.15, 1.3),
        unit * rng.uniform(0.015, 0.09),
        0.25,
        unit * rng.uniform(0.015, 0.05),
        0.0,
    )


def _droplet(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    _disc(
        canvas,
        rng,
        _colour(rng, stain) * rng.uniform(0.3, 1.6),
        unit * rng.uniform(0.08, 0.28),
        0.08,
        unit * rng.uniform(0.02, 0.05),
        float(rng.choice([0.0, 0.0, 0.3])),
    )


def _ring(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    _disc(
        canvas,
        rng,
        _colour(rng, stain) * rng.uniform(0.3, 1.2),
        unit * float(np.exp(rng.uniform(-2.5, 0.4))),
        rng.uniform(0.02, 0.2),
        unit * rng.uniform(0.02, 0.05),
        rng.uniform(0.6, 1.0),
    )


def _flake(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    _disc(
        canvas,
        rng,
        _colour(rng, stain) * rng.uniform(0.15, 0.7),
        unit * rng.uniform(0.08, 0.3),
        0.35,
        unit * rng.uniform(0.025, 0.07),
        rng.uniform(0, 0.6),
    )


def _cell(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """A round cell: pale mottled body, darker rim, one to four dark lobes of nucleus."""
    centre = _place(canvas, rng)
    radius = unit * rng.uniform(0.5, 1.6)
    window = canvas.window(centre - 1.7 * radius, centre + 1.7 * radius)
    if window is None:
        return
    depth = _blob(rng, window, centre, radius, 0.06)
    soft = unit * rng.uniform(0.02, 0.06)
    body = _step(depth, soft) * (
        1 + 0.3 * cloud(rng, depth.shape, radius / 4) + 0.2 * cloud(rng, depth.shape, radius / 9)
    )
    rim = np.exp(-0.5 * (depth / (soft * 1.3)) ** 2)
    canvas.add(
        window,
        np.clip(body * rng.uniform(0.2, 0.8) + rim * rng.uniform(0, 0.8), 0, None),
        _colour(rng, stain) * 0.6,
    )
    if rng.random() < 0.75:
        colour = stain.nucleus * rng.uniform(0.2, 0.9)
        lobes = np.zeros(depth.shape)
        for _ in range(int(rng.integers(1, 5))):
            at = centre + rng.normal(0, 0.28 * radius, 2)
            lobe = _blob(rng, window, at, radius * rng.uniform(0.25, 0.5), 0.12)
            lobes = np.maximum(lobes, _step(np.minimum(lobe, depth), soft))
        canvas.add(window, np.clip(lobes * (1 + 0.15 * cloud(rng, depth.shape, radius / 5)), 0, None), colour)


def _smudge(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """A cloudy stain without an edge, sometimes drawn out to a band."""
    centre = _place(canvas, rng)
    size = unit * float(np.exp(rng.uniform(-0.3, 1.5)))
    window = canvas.window(centre - 2.2 * size, centre + 2.2 * size)
    if window is None:
        return
    depth = _blob(rng, window, centre, size, 0.4)
    fade = np.clip(depth / size + 0.15 * cloud(rng, depth.shape, size / 2), 0, 1) ** rng.uniform(0.4, 1.2)
    texture = np.clip(
        1 + 0.4 * cloud(rng, depth.shape, size / 3) + 0.3 * cloud(rng, depth.shape, unit / 8), 0, None
    )
    canvas.add(window, fade * texture, _colour(rng, stain) * rng.uniform(0.1, 0.7))


def _granules(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """Granular haze over a part of the field."""
    centre = _place(canvas, rng)
    size = unit * rng.uniform(1.0, 6.0)
    window = canvas.window(centre - size, centre + size)
    if window is None:
        return
    depth = _blob(rng, window, centre, size * 0.8, 0.3)
    grain = cloud(rng, depth.shape, unit * rng.uniform(0.05, 0.14))
    amount = np.clip(grain - rng.uniform(0.6, 1.5), 0, 1.5) * np.clip(depth / size * 2, 0, 1)
    canvas.add(window, amount, _colour(rng, stain) * rng.uniform(0.15, 0.7))


def _bacteria(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """A chain of dark rods."""
    count = int(rng.choice([1, 2, 3, 8], p=[0.3, 0.4, 0.2, 0.1]))
    style = CurveStyle(0.3, 0.3, 0.0)
    line = _place(canvas, rng) + unit * trace(rng, np.zeros(2), rng.uniform(0, 6.3), 0.14 * count, style)
    _stroke(
        canvas,
        rng,
        line,
        unit * rng.uniform(0.025, 0.04),
        stain.nucleus * rng.uniform(0.4, 1.0),
        gaps=0.14 * unit,
    )


def _fibre(canvas: Canvas, rng: np.random.Generator, stain: Stain, unit: float) -> None:
    """A scratch or fibre: straighter and thinner than a flagellum, often paler than the slide."""
    style = CurveStyle(float(rng.exponential(0.15)), 0.4, 0.05)
    line = _place(canvas, rng) + unit * trace(
        rng, np.zeros(2), rng.uniform(0, 6.3), rng.uniform(0.3, 4), style
    )
    colour = _colour(rng, stain) * rng.uniform(0.1, 0.5)
    if rng.random() < 0.4:
        colour = -0.04 * np.ones(3) * rng.uniform(0.3, 1)
    _stroke(canvas, rng, line, unit * rng.uniform(0.008, 0.02), colour, gaps=0.0)


def _stroke(
    canvas: Canvas, rng: np.random.Generator, line: FloatArray, sigma: float, colour: FloatArray, gaps: float
) -> None:
    """A line of Gaussian cross-section, interrupted every `gaps` pixels where that is not 0."""
    reach = 3 * sigma + 2
    window = canvas.window(line.min(0) - reach, line.max(0) + reach)
    if window is None:
        return
    x0, y0, x1, y1 = window
    image = np.zeros((y1 - y0, x1 - x0), np.uint8)
    points = np.rint((line - [x0, y0]) * 16).astype(np.int32)
    if gaps:
        every = max(2, round(gaps / max(1e-6, float(np.hypot(*(line[1] - line[0]))))))
        chunks = [points[i : i + max(2, int(every * 0.7))] for i in range(0, len(points), every)]
    else:
        chunks = [points]
    cv2.polylines(
        image, [chunk[:, None] for chunk in chunks], False, 255, max(1, round(2 * sigma)), cv2.LINE_AA, 4
    )
    soft = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), max(0.5, sigma))
    canvas.add(window, soft * rng.uniform(0.7, 1.2), colour)
