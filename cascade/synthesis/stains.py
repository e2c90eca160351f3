"""Stains: which colour each part of a sperm, and what lies between them, takes up.

A stain absorbs: a part is described by its optical density per channel, `-ln(transmitted / background)`, and
densities add where parts overlap (Beer–Lambert). The Diff-Quik-like densities were measured on stained smears
with experts' outlines; the others follow the appearance of published pictures of each stain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cascade.errors import ConfigError
from cascade.types import FloatArray


@dataclass(frozen=True, eq=False)
class Stain:
    """One palette.

    Attributes:
        name: as asked for on the command line.
        background: `(3,)` RGB of the empty slide, 0–255.
        nucleus, acrosome, midpiece, tail: `(3,)` optical density per channel of the fully stained part.
        debris: `(n, 3)` optical densities of what else took the stain.
        halo: bright fringe around what absorbs, relative; 0 for stained smears in bright field.
    """

    name: str
    background: FloatArray
    nucleus: FloatArray
    acrosome: FloatArray
    midpiece: FloatArray
    tail: FloatArray
    debris: FloatArray
    halo: float = 0.0


def _stain(
    name: str, background: list[float], *densities: list[float], debris: list[list[float]], halo: float = 0.0
) -> Stain:
    nucleus, acrosome, midpiece, tail = (np.array(one) for one in densities)
    return Stain(name, np.array(background), nucleus, acrosome, midpiece, tail, np.array(debris), halo)


STAINS = {
    stain.name: stain
    for stain in (
        _stain(
            "diff-quik-like",
            [221, 225, 229],
            [1.6, 4.2, 0.2],
            [0.36, 0.72, 0.035],
            [0.26, 0.22, 0.01],
            [0.155, 0.148, 0.0],
            debris=[
                [0.35, 0.3, 0.02],
                [0.2, 0.45, 0.03],
                [0.5, 0.3, 0.02],
                [1.5, 1.8, 0.2],
                [0.1, 0.12, 0.1],
            ],
        ),
        _stain(
            "papanicolaou",
            [222, 218, 222],
            [0.68, 0.9, 0.35],
            [0.15, 0.2, 0.1],
            [0.34, 0.2, 0.26],
            [0.19, 0.1, 0.14],
            debris=[[0.45, 0.12, 0.3], [0.3, 0.1, 0.22], [0.6, 0.7, 0.35], [0.3, 0.3, 0.3]],
        ),
        _stain(
            "haematoxylin-eosin",
            [228, 222, 226],
            [1.0, 1.15, 0.45],
            [0.2, 0.42, 0.14],
            [0.16, 0.34, 0.14],
            [0.09, 0.22, 0.1],
            debris=[[0.12, 0.45, 0.2], [0.6, 0.8, 0.3], [0.05, 0.25, 0.12]],
        ),
        _stain(
            "giemsa-like",
            [220, 216, 210],
            [0.9, 1.3, 0.35],
            [0.25, 0.45, 0.12],
            [0.3, 0.42, 0.12],
            [0.17, 0.24, 0.07],
            debris=[[0.5, 0.45, 0.12], [0.2, 0.4, 0.15], [0.7, 0.9, 0.25]],
        ),
        _stain(
            "ral",
            [228, 224, 232],
            [0.85, 1.5, 0.3],
            [0.18, 0.6, 0.12],
            [0.4, 0.5, 0.1],
            [0.16, 0.26, 0.06],
            debris=[[0.15, 0.5, 0.12], [0.5, 0.4, 0.08], [0.9, 1.2, 0.3]],
        ),
        _stain(
            "haematoxylin",
            [226, 226, 230],
            [1.1, 0.95, 0.5],
            [0.2, 0.19, 0.1],
            [0.2, 0.17, 0.09],
            [0.1, 0.09, 0.05],
            debris=[[0.4, 0.35, 0.2], [0.2, 0.2, 0.15], [0.8, 0.7, 0.35]],
        ),
        _stain(
            "unstained",
            [196, 198, 192],
            [0.42, 0.41, 0.43],
            [0.2, 0.19, 0.2],
            [0.2, 0.2, 0.21],
            [0.11, 0.11, 0.115],
            debris=[[0.2, 0.2, 0.2], [0.3, 0.3, 0.32], [0.1, 0.1, 0.1]],
            halo=0.5,
        ),
        _stain(
            "phase-contrast",
            [132, 134, 128],
            [1.0, 1.0, 1.0],
            [0.7, 0.7, 0.7],
            [0.55, 0.55, 0.55],
            [0.32, 0.32, 0.32],
            debris=[[0.5, 0.5, 0.5], [0.8, 0.8, 0.8], [0.2, 0.2, 0.2]],
            halo=0.75,
        ),
    )
}


MIXTURE = {
    "diff-quik-like": 0.42,
    "papanicolaou": 0.25,
    "haematoxylin-eosin": 0.09,
    "giemsa-like": 0.12,
    "ral": 0.06,
    "haematoxylin": 0.06,
}
"""How often each stain is met where none is asked for; pictures without a stain are drawn on request only."""


def sample_stain(rng: np.random.Generator, name: str | None = None) -> Stain:
    """A palette with one slide's variation; every fourth is pushed far from its recipe.

    Raises:
        ConfigError: `name` is not one of `STAINS`.
    """
    if name is not None and name not in STAINS:
        raise ConfigError(
            f"stain must be one of {', '.join(STAINS)}, got {name!r}; leave it out for a random one"
        )
    chosen = name or str(rng.choice(list(MIXTURE), p=list(MIXTURE.values())))
    base = STAINS[chosen]
    wild = rng.random() < 0.25
    grey = base.halo > 0  # no dye, no hue
    spread = 0.4 if wild else 0.13
    overall = np.exp(rng.normal(0, 0.2 if wild else 0.12))
    tails = np.exp(rng.normal(0, 0.4 if wild else 0.28))

    def vary(density: FloatArray, freedom: float = 1.0) -> FloatArray:
        common = np.exp(rng.normal(0, freedom * spread / 2))
        floor = freedom * (0.03 if wild else 0.006)
        if grey:
            return np.asarray(density * overall * common)
        varied = density * overall * common * np.exp(rng.normal(0, freedom * spread, density.shape))
        return np.asarray(np.maximum(varied + rng.normal(0, floor, density.shape), 0.0))

    hue = np.exp(rng.normal(0, 0.02 if grey else spread, 3)) * tails
    tint = np.exp(rng.normal(0, 0.05 if wild and not grey else 0.015, 3))
    background = base.background * tint * rng.uniform(0.86, 1.06)
    return replace(
        base,
        background=np.clip(background, 100, 252),
        nucleus=vary(base.nucleus),
        acrosome=vary(base.acrosome) * rng.uniform(0.75, 1.25),
        midpiece=vary(base.midpiece, 0.4) * hue,
        tail=vary(base.tail, 0.4) * hue,
        debris=vary(base.debris),
    )
