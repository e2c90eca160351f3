"""Appearance → what the generator takes: palette, style of the flagella, camera and dirt.

The constants undo what lies between what is drawn and what is measured (blur, soft edges, the taper of a
cross-section); they were set so that a smear drawn like an appearance measures as it.
"""

from __future__ import annotations

import numpy as np

from cascade.synthesis.appearance import FIELD, Appearance, Colour
from cascade.synthesis.camera import Camera
from cascade.synthesis.curves import CurveStyle, sample_style
from cascade.synthesis.scene import FieldStyle
from cascade.synthesis.slide import Grime
from cascade.synthesis.stains import Stain
from cascade.types import FloatArray

_ACROSOME, _MIDPIECE, _TAIL, _NOISE, _MOTTLE, _HAZE, _HEADS = 0.5, 1.4, 1.32, 1.6, 1.7, 0.7, 0.87
"""Drawn over measured, of what is not all seen, or is seen together with something else."""
LIKE = "like"
"""Name of the palette of a smear that imitates."""
_SOFT_EDGE = 0.0145
"""Blur of a head's edge as it is drawn, head lengths."""
_PROFILE = 2.6
"""Full width at 40 % of a drawn cross-section, in its scales."""
_BEND, _CURVATURE = 9.6, 0.285
"""Direction change over one head length, degrees, that is measured where this curvature is drawn."""
_USUAL_DEBRIS = 0.014
"""Share of the empty slide that debris covers where its amount is 1."""


def stain_like(rng: np.random.Generator, like: Appearance) -> Stain:
    """The palette; debris takes the colours of the sperm and mixtures of them."""
    nucleus, acrosome, tail = (_array(one) for one in (like.nucleus, like.acrosome, like.tail))
    mixed = [
        np.maximum(rng.uniform(0.1, 0.5) * nucleus * np.exp(rng.normal(0, 0.3, 3)), 0.01),
        np.maximum(rng.uniform(0.5, 1.5) * acrosome * np.exp(rng.normal(0, 0.3, 3)), 0.01),
        np.maximum(rng.uniform(0.8, 2.5) * tail * np.exp(rng.normal(0, 0.3, 3)), 0.01),
        nucleus * rng.uniform(0.6, 1.0),
    ]
    spread = _tail_spread(like)
    return Stain(
        name=LIKE,
        background=np.clip(_array(like.background), 20, 252),
        nucleus=nucleus * 1.1,
        acrosome=acrosome * _ACROSOME,
        midpiece=_array(like.midpiece) * spread * _MIDPIECE,
        tail=tail * spread * _TAIL,
        debris=np.array(mixed),
    )


def count_like(like: Appearance, shape: tuple[int, int], head_length: float) -> float:
    """Expected number of heads in a field of `shape` pixels."""
    return _HEADS * like.heads * shape[0] * shape[1] / head_length**2 / FIELD


def style_like(rng: np.random.Generator, like: Appearance) -> FieldStyle:
    """How the flagella bend and how wide they are."""
    usual = sample_style(rng)
    curves = CurveStyle(
        _CURVATURE * like.bend / _BEND, usual.kinks * min(1.5, like.bend / _BEND), usual.coils
    )
    return FieldStyle(
        curves=curves,
        width=_drawn_width(like),
        midpiece_width=float(rng.choice([0.15, 0.5], p=[0.75, 0.25]) * rng.uniform(0, 2)),
        roughness=float(rng.uniform(0.2, 1)),
    )


def camera_like(like: Appearance) -> Camera:
    """Sharpness, noise and light."""
    return Camera(
        blur=_lens_blur(like),
        noise=like.noise * _NOISE,
        grain=like.grain if like.grain > 0.45 else 0.0,
        slope=like.lamp * 0.7,
        vignette=like.lamp * 1.5,
    )


def grime_like(rng: np.random.Generator, like: Appearance) -> Grime:
    """How dirty the slide is."""
    debris = like.debris / _USUAL_DEBRIS
    return Grime(
        debris=float(np.clip(debris, 0.05, 3)),
        mottle=like.mottle * _MOTTLE,
        haze=like.haze * _HAZE,
        flecks=float(np.clip(debris, 0, 2) * rng.uniform(0, 0.7)),
    )


def _lens_blur(like: Appearance) -> float:
    return float(np.sqrt(np.clip(like.blur**2 - _SOFT_EDGE**2, 0.002**2, 0.08**2)))


def _drawn_width(like: Appearance) -> float:
    """Scale of the cross-section before the lens blurs it."""
    seen = like.tail_width / _PROFILE
    return float(np.clip(np.sqrt(max(seen**2 - _lens_blur(like) ** 2, 0.0)), 0.02, 0.08))


def _tail_spread(like: Appearance) -> float:
    """How much the lens lowers a flagellum's density on its centreline."""
    return float(np.hypot(_drawn_width(like), _lens_blur(like)) / _drawn_width(like))


def _array(colour: Colour) -> FloatArray:
    return np.array(colour, float)
