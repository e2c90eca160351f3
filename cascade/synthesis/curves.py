"""Flagellum centrelines: smooth random curves, in head lengths.

A centreline is traced by its direction: low-frequency curvature (a sum of a few waves) plus, now and then, a
sharp bend, a hairpin or a coiled tip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cascade.types import FloatArray

STEP = 0.02
"""Spacing of centreline samples, head lengths."""


@dataclass(frozen=True)
class CurveStyle:
    """How the flagella of one field bend.

    Attributes:
        curvature: root mean square curvature, radians per head length.
        kinks: expected sharp bends a flagellum.
        coils: probability of a coiled or looped tip.
    """

    curvature: float
    kinks: float
    coils: float


def sample_style(rng: np.random.Generator) -> CurveStyle:
    """One field's habit of bending."""
    return CurveStyle(
        curvature=float(np.exp(rng.normal(np.log(0.285), 0.4))),
        kinks=float(rng.exponential(0.35)),
        coils=float(rng.choice([0.03, 0.08, 0.25], p=[0.6, 0.3, 0.1])),
    )


def trace(
    rng: np.random.Generator, start: FloatArray, direction: float, length: float, style: CurveStyle
) -> NDArray[np.float64]:
    """`(n, 2)` curve from `start`, in head lengths; leaves in `direction` (radians, from +x towards +y)."""
    at = np.arange(0, length, STEP)
    curvature = _waves(rng, at, length) * style.curvature * np.exp(rng.normal(0, 0.4))
    curvature *= np.clip(at / 0.8, 0.15, 1)
    for _ in range(rng.poisson(style.kinks)):
        curvature += _bend(
            rng, at, length, rng.choice([-1, 1]) * rng.uniform(0.4, 1.6), rng.uniform(0.05, 0.25)
        )
    if rng.random() < 0.04:
        curvature += _bend(
            rng, at, length, rng.choice([-1, 1]) * rng.uniform(2.4, 3.4), rng.uniform(0.1, 0.3)
        )
    if rng.random() < style.coils:
        extent = rng.uniform(0.8, 3.0)
        curvature += (
            rng.choice([-1, 1]) * rng.uniform(1.5, 6) / np.clip(extent, 1, 3) * (at > length - extent)
        )
    return follow(start, direction, curvature)


def follow(start: FloatArray, direction: float, curvature: FloatArray) -> NDArray[np.float64]:
    """Integrate a curvature (radians per head length, one value a step) into `(n, 2)` points."""
    angle = np.concatenate([[0.0], np.cumsum(curvature[:-1] * STEP)]) + direction
    steps = np.column_stack([np.cos(angle), np.sin(angle)]) * STEP
    line: NDArray[np.float64] = np.concatenate([np.zeros((1, 2)), np.cumsum(steps[:-1], axis=0)]) + start
    return line


def roughen(rng: np.random.Generator, line: FloatArray, amount: float) -> NDArray[np.float64]:
    """Shift points sideways by short, smooth irregularities; `amount` is their scale in head lengths."""
    if len(line) < 12:
        return np.asarray(line, np.float64)
    at = np.arange(len(line)) * STEP
    knots = np.arange(0, at[-1] + 0.4, 0.2)
    shift = np.interp(at, knots, rng.normal(0, amount, len(knots))) * np.clip(at / 0.3, 0, 1)
    shift = np.convolve(
        np.pad(shift, 5, mode="edge"), np.hanning(13)[1:-1] / np.hanning(13).sum(), mode="valid"
    )
    tangent = np.gradient(line, axis=0)
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    return np.asarray(line + normal / np.maximum(np.hypot(*tangent.T), 1e-9)[:, None] * shift[:, None])


def coil_around(
    rng: np.random.Generator, centre: FloatArray, neck: FloatArray, direction: float, length: float
) -> NDArray[np.float64]:
    """A flagellum wound around its own head: turns of slowly growing radius."""
    at = np.arange(0, length * rng.uniform(0.5, 0.9), STEP)
    radius = rng.uniform(0.45, 0.8) + rng.uniform(0.02, 0.08) * at
    curvature = rng.choice([-1, 1]) * (1 / radius + _waves(rng, at, float(at[-1])) * 0.35)
    line = follow(neck, direction, curvature)
    drift = np.clip(at / 1.0, 0, 1)[:, None]
    wound: NDArray[np.float64] = line + drift * (centre - line[len(line) // 5 :].mean(0)) * rng.uniform(
        0.4, 1.0
    )
    return wound


def _waves(rng: np.random.Generator, at: FloatArray, length: float) -> NDArray[np.float64]:
    """Sum of waves of about unit variance; even the shortest carry much: flagella are a little wavy."""
    out = np.full(len(at), rng.normal(0, 0.45))
    for cycles in (0.5, 1, 2, 3, 5, 8, 12):
        out += rng.normal(0, cycles**-0.15) * np.sin(
            2 * np.pi * cycles * at / length + rng.uniform(0, 2 * np.pi)
        )
    return out / 1.6


def _bend(
    rng: np.random.Generator, at: FloatArray, length: float, angle: float, width: float
) -> NDArray[np.float64]:
    """Curvature of one bend by `angle` radians spread over about `width` head lengths."""
    where = rng.uniform(0.1, 0.95) * length
    bell = np.exp(-0.5 * ((at - where) / width) ** 2)
    return np.asarray(angle * bell / (width * np.sqrt(2 * np.pi)))
