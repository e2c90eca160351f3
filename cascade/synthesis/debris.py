"""What else lies on a slide: specks, droplets, rings, cells, smudges, granules, bacteria, fibres and tangles.

None of it has truth: it is what a network must learn to leave alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from cascade.synthesis.canvas import Window, cloud, grid, step
from cascade.synthesis.curves import STEP, CurveStyle, follow, trace
from cascade.synthesis.slide import Grime, Slide
from cascade.types import FloatArray

TYPICAL_FIELD = 160.0
"""Area of a picture at the usual magnification, square head lengths; amounts below are for one such field."""


def sample_grime(rng: np.random.Generator) -> Grime:
    """One slide's dirt; amounts differ widely."""
    return Grime(
        debris=float(np.clip(np.exp(rng.normal(-0.8, 0.9)), 0, 2.5)),
        mottle=float(rng.uniform(0, 0.015)) if rng.random() < 0.6 else 0.0,
        haze=float(rng.uniform(0, 0.01)) if rng.random() < 0.6 else 0.0,
        flecks=float(rng.gamma(1.0, 0.8)) if rng.random() < 0.3 else 0.0,
    )


def draw_debris(slide: Slide) -> None:
    """Scatter debris; kinds differ widely from field to field."""
    height, width = slide.canvas.shape
    area = height * width / slide.unit**2 / TYPICAL_FIELD
    amounts: list[tuple[Callable[[Slide], None], float]] = [
        (_smudge, 1.2),
        (_granules, 0.5),
        (_cell, 0.35),
        (_droplet, 5.0),
        (_flake, 7.0),
        (_speck, 18.0),
        (_ring, 2.0),
        (_curl, 1.0),
        (_bacteria, 0.6),
        (_fibre, 0.8),
        (_tangle, 0.25),
    ]
    _mottle(slide)
    _flecks(slide)
    dirt = slide.grime.debris
    for draw, mean in amounts:
        for _ in range(slide.rng.poisson(mean * area * dirt * slide.rng.gamma(1.2, 0.8))):
            draw(slide)


def blob(
    rng: np.random.Generator, window: Window, centre: FloatArray, radius: float, rough: float
) -> FloatArray:
    """Depth in pixels inside an irregular disc; `rough` is 0 for a circle, 0.4 for ragged."""
    x, y = grid(window)
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    stretch, turn = np.float32(np.exp(rng.normal(0, rough))), rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    r = np.hypot((dx * cos + dy * sin) * stretch, (dy * cos - dx * sin) / stretch)
    angles = np.linspace(-np.pi, np.pi, 1024)
    edge = np.ones(1024)
    for k in (2, 3, 4, 5, 7):
        edge += rng.normal(0, rough / k) * np.cos(k * angles + rng.uniform(0, 6.3))
    at = ((np.arctan2(dy, dx) + np.float32(np.pi)) * np.float32(1023 / (2 * np.pi))).astype(np.intp)
    return np.asarray(radius * edge.astype(np.float32)[at] - r)


@dataclass(frozen=True)
class _Disc:
    """An irregular disc: radius and edge softness in pixels, roughness, share of its rim (1: a ring)."""

    radius: float
    rough: float
    soft: float
    rim: float


def _mottle(slide: Slide) -> None:
    """Residual stain all over the slide: faint and slow, sometimes grained."""
    rng, canvas, unit = slide.rng, slide.canvas, slide.unit
    for grain, amount in (
        (unit * rng.uniform(1, 4), slide.grime.haze),
        (unit * rng.uniform(0.08, 0.4), slide.grime.mottle),
    ):
        if amount > 0:
            colour = _colour(slide) + 1e-3
            uneven = cloud(rng, canvas.density.shape, grain) * np.float32(amount)
            canvas.add(canvas.whole, uneven, colour / colour.max())


def _flecks(slide: Slide) -> None:
    """Fine precipitate: pale flecks of two dyes all over the slide, denser here and there."""
    rng, canvas, unit = slide.rng, slide.canvas, slide.unit
    if slide.grime.flecks <= 0:
        return
    shape = canvas.density.shape
    where = np.clip(1 + 0.8 * cloud(rng, shape, unit * rng.uniform(1, 4)), 0.1, 3)
    for _ in range(2):
        grain = unit * float(np.exp(rng.uniform(np.log(0.04), np.log(0.16))))
        raised = np.clip(cloud(rng, shape, grain) - rng.uniform(0.7, 1.5), 0, 1.2)
        colour = _colour(slide) + 1e-3
        depth = 0.05 * slide.grime.flecks * rng.uniform(0.4, 1.2)
        canvas.add(canvas.whole, raised * where * np.float32(depth), colour / colour.max())


def _place(slide: Slide) -> FloatArray:
    height, width = slide.canvas.shape
    return slide.rng.uniform([0, 0], [width, height])


def _colour(slide: Slide) -> FloatArray:
    """A dye of the debris: half of the time the sperm's own, so that colour alone never tells."""
    rng, stain = slide.rng, slide.stain
    own = (stain.tail * 1.5, stain.midpiece, stain.acrosome * 0.7)
    if rng.random() < 0.5:
        return np.asarray(own[int(rng.integers(3))] * np.exp(rng.normal(0, 0.2, 3)))
    return np.asarray(stain.debris[int(rng.integers(len(stain.debris)))] * np.exp(rng.normal(0, 0.25, 3)))


def _draw_disc(slide: Slide, disc: _Disc, colour: FloatArray) -> None:
    centre, extent = _place(slide), 1.8 * disc.radius + 3 * disc.soft
    window = slide.canvas.window(centre - extent, centre + extent)
    if window is None:
        return
    depth = blob(slide.rng, window, centre, disc.radius, disc.rough)
    fill = step(depth, disc.soft) * (1 + 0.25 * cloud(slide.rng, depth.shape, max(2.0, disc.radius / 2)))
    edge = np.exp(-0.5 * (depth / (disc.soft * 1.1)) ** 2)
    slide.canvas.add(window, np.maximum(fill * max(0.0, 1 - disc.rim) + edge * disc.rim, 0), colour)


def _speck(slide: Slide) -> None:
    rng, unit = slide.rng, slide.unit
    disc = _Disc(unit * rng.uniform(0.015, 0.09), 0.25, unit * rng.uniform(0.015, 0.05), 0.0)
    _draw_disc(slide, disc, _colour(slide) * rng.uniform(0.15, 1.3))


def _droplet(slide: Slide) -> None:
    rng, unit = slide.rng, slide.unit
    rim = float(rng.choice([0.0, 0.0, 0.3]))
    disc = _Disc(unit * rng.uniform(0.08, 0.28), 0.08, unit * rng.uniform(0.02, 0.05), rim)
    _draw_disc(slide, disc, _colour(slide) * rng.uniform(0.3, 1.6))


def _ring(slide: Slide) -> None:
    rng, unit = slide.rng, slide.unit
    radius = unit * float(np.exp(rng.uniform(-2.3, 0.2)))
    disc = _Disc(radius, rng.uniform(0.02, 0.2), unit * rng.uniform(0.02, 0.045), rng.uniform(0.6, 1.0))
    _draw_disc(slide, disc, _colour(slide) * rng.uniform(0.3, 1.2))


def _flake(slide: Slide) -> None:
    rng, unit = slide.rng, slide.unit
    disc = _Disc(unit * rng.uniform(0.06, 0.3), 0.35, unit * rng.uniform(0.025, 0.07), rng.uniform(0, 0.6))
    _draw_disc(slide, disc, _colour(slide) * rng.uniform(0.15, 0.7))


def _cell(slide: Slide) -> None:
    """A round cell: pale mottled or threaded body, darker rim, one to four dark lobes or holes."""
    rng, canvas = slide.rng, slide.canvas
    centre, radius = _place(slide), slide.unit * rng.uniform(0.5, 1.7)
    window = canvas.window(centre - 1.7 * radius, centre + 1.7 * radius)
    if window is None:
        return
    depth = blob(rng, window, centre, radius, 0.06)
    soft = slide.unit * rng.uniform(0.02, 0.06)
    texture = 1 + 0.3 * cloud(rng, depth.shape, radius / 4)
    if rng.random() < 0.4:
        texture = texture * (0.4 + 1.2 * np.exp(-((cloud(rng, depth.shape, radius / 6) / 0.35) ** 2)))
    rim = np.exp(-0.5 * (depth / (soft * 1.3)) ** 2)
    body = step(depth, soft) * texture * rng.uniform(0.2, 0.8) + rim * rng.uniform(0, 0.8)
    lobes = np.zeros(depth.shape)
    for _ in range(int(rng.integers(1, 5))):
        at = centre + rng.normal(0, 0.28 * radius, 2)
        lobe = blob(rng, window, at, radius * rng.uniform(0.2, 0.5), 0.12)
        lobes = np.maximum(lobes, step(np.minimum(lobe, depth), soft))
    if rng.random() < 0.3:
        canvas.add(window, np.maximum(body * (1 - 0.9 * lobes), 0), _colour(slide) * 0.8)
        return
    canvas.add(window, np.maximum(body, 0), _colour(slide) * 0.6)
    mottled = np.maximum(lobes * (1 + 0.15 * cloud(rng, depth.shape, radius / 5)), 0)
    canvas.add(window, mottled, slide.stain.nucleus * rng.uniform(0.2, 0.9))


def _smudge(slide: Slide) -> None:
    """A cloudy stain without an edge."""
    rng = slide.rng
    centre, size = _place(slide), slide.unit * float(np.exp(rng.uniform(-0.3, 1.5)))
    window = slide.canvas.window(centre - 2.2 * size, centre + 2.2 * size)
    if window is None:
        return
    depth = blob(rng, window, centre, size, 0.4)
    fade = np.clip(depth / size + 0.15 * cloud(rng, depth.shape, size / 2), 0, 1) ** rng.uniform(0.4, 1.2)
    coarse, fine = cloud(rng, depth.shape, size / 3), cloud(rng, depth.shape, slide.unit / 8)
    texture = np.maximum(1 + 0.4 * coarse + rng.uniform(0, 0.4) * fine, 0)
    slide.canvas.add(window, fade * texture, _colour(slide) * rng.uniform(0.1, 0.5))


def _granules(slide: Slide) -> None:
    """Granular haze over a part of the field."""
    rng = slide.rng
    centre, size = _place(slide), slide.unit * rng.uniform(1.0, 6.0)
    window = slide.canvas.window(centre - size, centre + size)
    if window is None:
        return
    depth = blob(rng, window, centre, size * 0.8, 0.3)
    grain = cloud(rng, depth.shape, slide.unit * rng.uniform(0.05, 0.14))
    amount = np.clip(grain - rng.uniform(0.6, 1.5), 0, 1.5) * np.clip(depth / size * 2, 0, 1)
    slide.canvas.add(window, amount, _colour(slide) * rng.uniform(0.15, 0.7))


def _bacteria(slide: Slide) -> None:
    """A chain of dark rods."""
    rng, unit = slide.rng, slide.unit
    count = int(rng.choice([1, 2, 3, 8], p=[0.3, 0.4, 0.2, 0.1]))
    line = trace(rng, np.zeros(2), rng.uniform(0, 6.3), 0.14 * count, CurveStyle(0.3, 0.3, 0.0))
    colour = slide.stain.nucleus * rng.uniform(0.4, 1.0)
    stroke(slide, _place(slide) + unit * line, unit * rng.uniform(0.025, 0.04), colour, gaps=7)


def _fibre(slide: Slide) -> None:
    """A scratch or fibre: straighter and thinner than a flagellum, often paler than the slide."""
    rng, unit = slide.rng, slide.unit
    style = CurveStyle(float(rng.exponential(0.15)), 0.4, 0.05)
    line = trace(rng, np.zeros(2), rng.uniform(0, 6.3), rng.uniform(0.3, 4), style)
    colour = _colour(slide) * rng.uniform(0.1, 0.5)
    if rng.random() < 0.4:
        colour = np.full(3, -0.04 * rng.uniform(0.3, 1))
    stroke(slide, _place(slide) + unit * line, unit * rng.uniform(0.008, 0.02), colour)


def _curl(slide: Slide) -> None:
    """A short curled hair or membrane fold, up to a full ring, as pale as a flagellum."""
    rng, unit = slide.rng, slide.unit
    length = rng.uniform(0.3, 1.8)
    at = np.arange(0, length, STEP)
    curvature = rng.choice([-1, 1]) * (
        rng.uniform(1, 6.5) / length + rng.normal(0, 1) * np.cos(3 * at / length)
    )
    line = follow(np.zeros(2), rng.uniform(0, 6.3), curvature)
    stroke(
        slide,
        _place(slide) + unit * line,
        unit * rng.uniform(0.012, 0.03),
        _colour(slide) * rng.uniform(0.2, 0.7),
    )


def _tangle(slide: Slide) -> None:
    """Threads wound into a knot, as stained as flagella but nobody's to follow."""
    rng, unit = slide.rng, slide.unit
    start = _place(slide)
    for _ in range(int(rng.integers(1, 5))):
        at = np.arange(0, rng.uniform(2, 7), STEP)
        curvature = rng.choice([-1, 1]) * rng.uniform(2, 6) + 3 * np.interp(
            at, np.arange(9), rng.normal(0, 1, 9)
        )
        line = follow(rng.normal(0, 0.25, 2), rng.uniform(0, 6.3), curvature)
        stroke(
            slide,
            start + unit * line,
            unit * rng.uniform(0.02, 0.035),
            slide.stain.tail * rng.uniform(0.5, 1.5),
        )


def stroke(slide: Slide, line: FloatArray, sigma: float, colour: FloatArray, gaps: int = 0) -> None:
    """A soft line of scale `sigma` pixels, interrupted every `gaps` samples where that is not 0."""
    reach = 3 * sigma + 2
    window = slide.canvas.window(line.min(0) - reach, line.max(0) + reach)
    if window is None:
        return
    x0, y0, x1, y1 = window
    image = np.zeros((y1 - y0, x1 - x0), np.uint8)
    points = np.rint((line - [x0, y0]) * 16).astype(np.int32)[:, None]
    pieces = [points[i : i + gaps - 2] for i in range(0, len(points), gaps)] if gaps else [points]
    cv2.polylines(image, pieces, False, 255, max(1, round(2 * sigma)), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(image.astype(np.float32) / 255, (0, 0), max(0.5, sigma))
    slide.canvas.add(window, soft * np.float32(slide.rng.uniform(0.7, 1.2)), colour)
