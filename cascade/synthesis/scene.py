"""Geometry of a smear: where each sperm lies and which way its flagellum runs. No pixels are drawn here.

A scene is laid out in head lengths and scaled at the end, so the same seed gives the same scene at any
resolution. Sperm are scattered over a field larger than the picture: those whose heads fall outside leave
"tails without a head" crossing the view, as on a slide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cascade.synthesis.curves import STEP, CurveStyle, coil_around, roughen, sample_style, trace
from cascade.types import FloatArray

MARGIN = 5.0
"""How far outside the picture heads are placed, in head lengths."""


@dataclass(frozen=True)
class HeadShape:
    """Outline of one head, in its own frame: x from the neck end to the acrosome's tip.

    Attributes:
        length, width: long and short axis, pixels.
        taper: narrowing towards the neck, 0 (ellipse) to 0.5 (pear).
        squareness: exponent of the superellipse, 2 is an ellipse.
        wobble: `(2, 3)` amplitude and phase of the outline's harmonics 2–4, relative to the radius.
        acrosome: fraction of the long axis covered by the acrosome; 0 where there is none to be seen.
        acrosome_bulge: curvature of the boundary between acrosome and nucleus.
        vacuoles: `(n, 3)` x, y in half axes and radius in head lengths.
    """

    length: float
    width: float
    taper: float
    squareness: float
    wobble: FloatArray
    acrosome: float
    acrosome_bulge: float
    vacuoles: FloatArray


@dataclass(frozen=True, eq=False)
class SceneSperm:
    """One sperm before drawing. Coordinates are pixels, x and y, y down.

    Attributes:
        sperm_id: unique in the scene, from 1.
        head: shape of the head, or None for a flagellum that has lost it.
        centre: `(2,)` centre of the head (of the lost head, where there is none).
        heading: radians from +x towards +y, the direction in which the acrosome points.
        centreline: `(n, 2)` flagellum from neck to tip; `(0, 2)` where the flagellum is missing.
        strength: `(n,)` density along it, 1 at the neck, falling towards the tip.
        sigma: `(n,)` scale of its Gaussian cross-section, pixels.
        midpiece: length of the midpiece, pixels.
        droplet: size of the cytoplasm left on the neck, pixels; 0 for none.
        defocus: additional blur of this sperm alone, pixels.
        stain_uptake: how strongly it took the stain, 1 is usual.
    """

    sperm_id: int
    head: HeadShape | None
    centre: FloatArray
    heading: float
    centreline: FloatArray
    strength: FloatArray
    sigma: FloatArray
    midpiece: float
    droplet: float
    defocus: float
    stain_uptake: float


@dataclass(frozen=True)
class FieldStyle:
    """What the flagella of one field have in common.

    Attributes:
        curves: how they bend.
        width: scale of the cross-section, head lengths.
        midpiece_width: how much wider the midpiece is, relative.
        roughness: irregularity of line and stain, 0 (drawn with a ruler) to 1 (ragged).
    """

    curves: CurveStyle
    width: float
    midpiece_width: float
    roughness: float


@dataclass(frozen=True, eq=False)
class Scene:
    """All sperm of one field.

    Attributes:
        shape: `(height, width)` of the picture, pixels.
        head_length: the length unit, pixels.
        sperm: every sperm, those outside the picture too.
    """

    shape: tuple[int, int]
    head_length: float
    sperm: tuple[SceneSperm, ...]


def sample_scene(
    rng: np.random.Generator,
    shape: tuple[int, int],
    head_length: float,
    count: float | None = None,
    style: FieldStyle | None = None,
) -> Scene:
    """Lay out one field.

    Args:
        rng: source of all randomness.
        shape: `(height, width)` of the picture, pixels.
        head_length: typical long axis of a head, pixels.
        count: expected number of heads in the picture; sampled where not given (0–25, mostly 4–14).
        style: of the flagella; sampled where not given.
    """
    height, width = shape[0] / head_length, shape[1] / head_length
    expected = _sample_count(rng) if count is None else count
    density = expected / (height * width)
    total = int(rng.poisson(density * (height + 2 * MARGIN) * (width + 2 * MARGIN)))
    centres = _scatter(rng, total, height, width)
    flow = rng.uniform(0, 2 * np.pi)
    alignment = rng.choice([0.0, 0.0, 1.0, 3.0])
    style = _sample_field(rng) if style is None else style
    sperm = []
    for sperm_id, centre in enumerate(centres, start=1):
        heading = rng.vonmises(flow, alignment) if alignment else rng.uniform(0, 2 * np.pi)
        sperm.append(_sample_sperm(rng, sperm_id, centre, float(heading), style))
    sperm += _neighbours(rng, sperm, style)
    return Scene(shape, head_length, tuple(_scale(one, head_length) for one in sperm))


def _sample_field(rng: np.random.Generator) -> FieldStyle:
    return FieldStyle(
        curves=sample_style(rng),
        width=0.039 * float(np.clip(np.exp(rng.normal(-0.03, 0.14)), 0.7, 1.35)),
        midpiece_width=float(rng.choice([0.15, 0.5], p=[0.75, 0.25]) * rng.uniform(0, 2)),
        roughness=float(rng.uniform(0, 1)),
    )


def _sample_count(rng: np.random.Generator) -> float:
    if rng.random() < 0.03:
        return 0.3
    return float(np.clip(rng.gamma(4.0, 2.3), 2, 25))


def _scatter(rng: np.random.Generator, total: int, height: float, width: float) -> list[FloatArray]:
    """Centres in head lengths, partly in clusters, seldom overlapping."""
    placed: list[FloatArray] = []
    clumping = rng.choice([0.0, 0.2, 0.5])
    for _ in range(total):
        for _attempt in range(8):
            if placed and rng.random() < clumping:
                anchor = placed[int(rng.integers(len(placed)))]
                point = anchor + rng.normal(0, 1.3, 2)
            else:
                point = rng.uniform([-MARGIN, -MARGIN], [width + MARGIN, height + MARGIN])
            gap = min((float(np.hypot(*(point - other))) for other in placed), default=9.0)
            if gap > 0.95 or (gap > 0.55 and rng.random() < 0.15):
                placed.append(point)
                break
    return placed


def _sample_sperm(
    rng: np.random.Generator, sperm_id: int, centre: FloatArray, heading: float, style: FieldStyle
) -> SceneSperm:
    shape = _sample_head(rng)
    forward = np.array([np.cos(heading), np.sin(heading)])
    side = np.array([-forward[1], forward[0]])
    neck = centre - forward * (shape.length * 0.47) + side * rng.normal(0, 0.04)
    kind = rng.choice(
        ["usual", "bent", "coiled", "no tail", "stump", "lost head"], p=[0.82, 0.06, 0.025, 0.03, 0.015, 0.05]
    )
    length = float(np.clip(rng.normal(9.0, 0.8), 5, 11))
    if kind == "stump":
        length = float(rng.uniform(0.8, 4))
    direction = heading + np.pi + rng.normal(0, 0.17)
    if kind == "bent":
        direction += rng.choice([-1, 1]) * rng.uniform(0.4, 2.2)
    if kind == "no tail":
        line: NDArray[np.float64] = np.zeros((0, 2))
    elif kind == "coiled":
        line = coil_around(rng, centre, neck, float(direction), length)
    else:
        line = trace(rng, neck, float(direction), length, style.curves)
    line = roughen(rng, line, 0.007 * style.roughness)
    strength, sigma, midpiece = _along(rng, len(line), style)
    return SceneSperm(
        sperm_id=sperm_id,
        head=None if kind == "lost head" else shape,
        centre=centre,
        heading=heading,
        centreline=line,
        strength=strength,
        sigma=sigma,
        midpiece=midpiece,
        droplet=float(rng.uniform(0.05, 0.2)) if rng.random() < 0.25 else 0.0,
        defocus=float(rng.exponential(0.03)) if rng.random() < 0.15 else 0.0,
        stain_uptake=float(np.exp(rng.normal(0, 0.18))),
    )


def _sample_head(rng: np.random.Generator) -> HeadShape:
    """Sizes after outlines of real smears; every twentieth head is misshapen."""
    length = float(np.clip(rng.normal(1.0, 0.1), 0.65, 1.4))
    ratio = float(np.clip(rng.normal(0.605, 0.055), 0.38, 0.95))
    wobble = np.array([rng.normal(0, 0.025, 3) / [1, 1.5, 2], rng.uniform(0, 2 * np.pi, 3)])
    if rng.random() < 0.05:
        length, ratio = length * float(rng.uniform(0.6, 1.15)), float(rng.uniform(0.35, 1.0))
        wobble[0] *= rng.uniform(1, 3.5)
    count = int(rng.choice([0, 1, 2, 3, 4], p=[0.3, 0.27, 0.23, 0.13, 0.07]))
    vacuoles = np.column_stack(
        [rng.uniform(-0.55, 0.85, count), rng.uniform(-0.55, 0.55, count), rng.gamma(3, 0.013, count) + 0.015]
    )
    return HeadShape(
        length=length,
        width=length * ratio,
        taper=float(np.clip(rng.normal(0.14, 0.12), -0.15, 0.5)),
        squareness=float(rng.uniform(1.9, 2.5)),
        wobble=wobble,
        acrosome=0.0 if rng.random() < 0.07 else float(np.clip(rng.normal(0.52, 0.12), 0.12, 0.8)),
        acrosome_bulge=float(rng.normal(0.0, 0.12)),
        vacuoles=vacuoles,
    )


def _along(rng: np.random.Generator, samples: int, style: FieldStyle) -> tuple[FloatArray, FloatArray, float]:
    """Density and cross-section along a flagellum: darker, thicker midpiece, paling to the tip."""
    midpiece = float(np.clip(rng.normal(0.87, 0.13), 0.4, 1.4))
    if samples == 0:
        return np.zeros(0), np.zeros(0), 0.0
    at = np.arange(samples) * STEP
    rest = np.clip((at - midpiece) / max(at[-1] - midpiece, 0.5), 0, 1)
    mid = 1 / (1 + np.exp((at - midpiece) / rng.uniform(0.08, 0.3)))
    fade = (1 - rng.uniform(0.1, 0.45) * rest) * (1 + 0.25 * np.exp(-np.maximum(at - midpiece, 0) / 0.7))
    neck = 1 + rng.uniform(-0.1, 0.5) * np.exp(-at / 0.3)
    tip = np.clip((at[-1] - at) / rng.uniform(0.3, 1.8), 0, 1) ** 0.7
    ripple = _ripple(rng, at, 0.6, 0.09) * _ripple(rng, at, 0.12, 0.2 * style.roughness) * _gaps(rng, at)
    strength = fade * neck * (0.12 + 0.88 * tip) * ripple
    width = (
        rng.normal(1.0, 0.08)
        * (1 - rng.uniform(0.0, 0.2) * rest)
        * (1 + style.midpiece_width * rng.uniform(0.7, 1.3) * mid)
    )
    if rng.random() < 0.12:
        out_of_focus = 1 + rng.uniform(0.1, 0.8) * np.exp(
            -(((at - rng.uniform(0, at[-1])) / rng.uniform(1, 3)) ** 2)
        )
        strength, width = strength / out_of_focus, width * out_of_focus
    return strength, style.width * width * _ripple(rng, at, 0.6, 0.05), midpiece


def _ripple(rng: np.random.Generator, at: FloatArray, length: float, amount: float) -> FloatArray:
    """Variation about 1 along a flagellum, `length` head lengths from one value to the next."""
    knots = np.arange(0, at[-1] + 2 * length, length)
    return np.interp(at, knots, np.maximum(rng.normal(1, amount, len(knots)), 0.3))


def _gaps(rng: np.random.Generator, at: FloatArray) -> FloatArray:
    """Short stretches, now and then, that hardly took the stain; experts draw through them."""
    out = np.ones(len(at))
    for _ in range(rng.poisson(0.35)):
        bell = np.exp(-0.5 * ((at - rng.uniform(0, at[-1])) / rng.uniform(0.05, 0.3)) ** 2)
        out *= 1 - rng.uniform(0.3, 0.95) * bell
    return out


def _neighbours(rng: np.random.Generator, sperm: list[SceneSperm], style: FieldStyle) -> list[SceneSperm]:
    """Sperm whose flagella run beside one already there, touching it or crossing it at a small angle."""
    out: list[SceneSperm] = []
    for one in sperm:
        if len(one.centreline) < 200 or rng.random() > 0.1:
            continue
        start = int(rng.integers(0, len(one.centreline) // 2))
        twin = _sample_sperm(rng, len(sperm) + len(out) + 1, one.centre, one.heading, style)
        line = one.centreline[start:]
        tangent = np.gradient(line, axis=0)
        normal = (
            np.column_stack([-tangent[:, 1], tangent[:, 0]]) / np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
        )
        at = np.linspace(0, 1, len(line))
        offset = rng.uniform(0.04, 0.5) * np.cos(at * rng.uniform(1, 4) * np.pi + rng.uniform(0, np.pi))
        line = line + normal * offset[:, None]
        strength, sigma, midpiece = _along(rng, len(line), style)
        heading = float(np.arctan2(*(line[0] - line[6])[::-1]))
        length = twin.head.length if twin.head else 1.0
        centre = line[0] + length * 0.47 * np.array([np.cos(heading), np.sin(heading)])
        if min(float(np.hypot(*(centre - other.centre))) for other in [*sperm, *out]) < 0.8:
            continue
        out.append(
            replace(
                twin,
                centre=centre,
                heading=heading,
                centreline=line,
                strength=strength,
                sigma=sigma,
                midpiece=midpiece,
            )
        )
    return out


def _scale(one: SceneSperm, unit: float) -> SceneSperm:
    """Head lengths to pixels."""
    head = (
        None
        if one.head is None
        else replace(one.head, length=one.head.length * unit, width=one.head.width * unit)
    )
    return replace(
        one,
        head=head,
        centre=one.centre * unit,
        centreline=one.centreline * unit,
        sigma=one.sigma * unit,
        midpiece=one.midpiece * unit,
        droplet=one.droplet * unit,
        defocus=one.defocus * unit,
    )
