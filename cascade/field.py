"""What a field of view is like, and what to tell people about it: focus, stain, light, tangle.

Everything is measured on what a run knows anyway. Lengths are in head lengths, light relative to the
background, so that the same limits serve every magnification, lamp and stain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from cascade.config import NotesConfig
from cascade.geometry import polyline_length, smooth_polyline
from cascade.preprocess import WHITE
from cascade.rounds import beside
from cascade.skeleton import Skeleton
from cascade.tracing import pixels
from cascade.types import FloatArray, Head, Note, Tail

_PROFILE_HL, _STEP_HL = 0.3, 0.02
"""Profiles across a head's outline reach this far to both sides, at steps of this length."""
_FLAT = 0.12
"""Head lengths: this far off the outline a profile shows the head's inside, or the background."""
_ALONG = 5
"""Profiles next to each other that are averaged: the noise of single pixels looks sharp."""
_CLEAR = 12.0
"""A profile of less contrast (0–255) says nothing about focus."""
_FEWEST = 30
"""Profiles that focus takes, at least."""
_HEADS, _TAILS = 2, 3
"""So many heads or tails at least, or nothing is said about the stain of such."""

_ADVICE = {
    "nothing found": "no head was found; if there are sperm, check focus, stain, light and magnification",
    "out of focus": "tails are likely to be missed; refocus and take the picture again",
    "faint": "tails hardly stand out and are likely to be missed; stain longer, or lower the camera's gain",
    "overstained": "heads are so dark that their outlines and necks are less sure; stain for a shorter time",
    "tangled": "many tails lie on each other and are likely to be joined wrongly; choose another field, or "
    "dilute the sample",
    "overexposed": "the background is white and faint tails are lost in it; take the picture again with less "
    "light",
    "underexposed": "the picture is nearly black; take it again with more light",
}
"""Kind of note → what to expect and what to do."""


@dataclass(frozen=True)
class Field:
    """What a field of view is like; None where too little was found to tell.

    Attributes:
        edge_hl: width of the heads' edges, head lengths: contrast over the steepest slope, median.
        head_density: optical density of the heads against the background, median (log10, mean of colours).
        tail_density: the same on the tails' centrelines.
        tail_contrast: darkness of the tails in standard deviations of the background's noise, median.
        light: brightness of the background as photographed, 0–255, median.
        unevenness: difference of the background's brightest and darkest parts, over its median.
        flagellum: head lengths of flagellum in a square head length of the image.
        left: share of the flagellum that belongs to no tail, 0–1.
        crossings: junctions of flagella, a head length of flagellum.
    """

    edge_hl: float | None
    head_density: float | None
    tail_density: float | None
    tail_contrast: float | None
    light: float
    unevenness: float
    flagellum: float
    left: float | None
    crossings: float | None


def measure_field(
    light: FloatArray,
    dark: FloatArray,
    heads: Sequence[Head],
    tails: Sequence[Tail],
    skeleton: Skeleton | None,
    head_length: float,
) -> Field:
    """Measure a field of view.

    Args:
        light: `(h, w, 3)` background of the image as photographed, of any size.
        dark: `(height, width)` darkness of the normalised image, 0–255.
        heads, tails: what was found.
        skeleton: of all flagellum seen; None: not known.
        head_length: pixels.
    """
    grey = light.mean(-1)
    low, middle, high = np.percentile(grey, (2, 50, 98))
    along = _along_tails(tails, dark) if len(tails) >= _TAILS else None
    noise = _noise(dark)
    total, left, junctions = _flagellum(skeleton, tails, dark.shape, head_length)
    return Field(
        edge_hl=_edge_width(heads, dark, head_length),
        head_density=None
        if len(heads) < _HEADS
        else _median([_density(_inside(head, dark)) for head in heads]),
        tail_density=None if along is None else _density(along),
        tail_contrast=None if along is None else (along - (255 - WHITE)) / noise,
        light=float(middle),
        unevenness=float((high - low) / max(middle, 1.0)),
        flagellum=total * head_length / dark.size,
        left=left / total if total else None,
        crossings=junctions * head_length / total if total else None,
    )


def notes_on(field: Field, heads: int, config: NotesConfig) -> tuple[Note, ...]:
    """What to tell people about an image: what was seen, what to expect, and what to do.

    Args:
        field: its measures.
        heads: how many were found.
        config: where a measure is beyond its limit.
    """
    true = {
        "nothing found": heads == 0,
        "out of focus": _over(field.edge_hl, config.max_edge_hl),
        "faint": field.tail_contrast is not None and field.tail_contrast < config.min_tail_contrast,
        "overstained": _over(field.head_density, config.max_head_density),
        "tangled": field.flagellum > config.max_flagellum,
        "overexposed": field.light > config.max_light,
        "underexposed": field.light < config.min_light,
    }
    return tuple(Note(kind, f"{kind}: {_ADVICE[kind]}") for kind, holds in true.items() if holds)


def _over(value: float | None, most: float) -> bool:
    return value is not None and value > most


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def _density(dark: float) -> float:
    """Optical density of a darkness (0–255), against the normalised background."""
    return float(-np.log10(max(255.0 - dark, 1.0) / WHITE))


def _noise(dark: FloatArray) -> float:
    """Standard deviation of the noise of single pixels, at least half a grey level.

    From the median of the difference between a pixel and the mean of its neighbours: sperm cover little.
    """
    rough = dark - cv2.blur(dark, (3, 3))
    return max(0.5, 1.4826 * float(np.median(np.abs(rough))) * math.sqrt(9 / 8))


def _inside(head: Head, dark: FloatArray) -> float:
    shades = dark[head.region.full(dark.shape)]
    return float(np.median(shades)) if len(shades) else 0.0


def _along_tails(tails: Sequence[Tail], dark: FloatArray) -> float:
    places = [pixels(smooth_polyline(tail.centreline, 1.0, 0.0), dark) for tail in tails]
    return _median([float(np.median(dark[y, x])) for x, y in places])


def _edge_width(heads: Sequence[Head], dark: FloatArray, head_length: float) -> float | None:
    """Median over all heads' outlines of contrast over steepest slope, head lengths."""
    widths = [_edge_widths(head, dark, head_length) for head in heads]
    every = np.concatenate(widths) if widths else np.zeros(0)
    return float(np.median(every)) / head_length if len(every) >= _FEWEST else None


def _edge_widths(head: Head, dark: FloatArray, head_length: float) -> FloatArray:
    """Widths of the edge all around a head, pixels, where its outline is clear."""
    reach = round(0.5 * head_length)
    mask = np.pad(head.region.mask, reach).astype(np.float32)
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.06 * head_length))
    rings, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not rings:
        return np.zeros(0)
    ring = max(rings, key=len)[:, 0]
    slope_y, slope_x = np.gradient(soft)
    out = -np.stack([slope_x[ring[:, 1], ring[:, 0]], slope_y[ring[:, 1], ring[:, 0]]], -1)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
    at = np.arange(-_PROFILE_HL, _PROFILE_HL + 1e-6, _STEP_HL)
    places = ring[:, None] + at[None, :, None] * head_length * out[:, None]
    places += np.array([head.region.x0, head.region.y0]) - reach
    profiles = ndimage.map_coordinates(dark, [places[..., 1], places[..., 0]], order=1, mode="nearest")
    profiles = ndimage.uniform_filter1d(profiles, _ALONG, axis=0, mode="wrap")
    contrast = profiles[:, at < -_FLAT].mean(1) - profiles[:, at > _FLAT].mean(1)
    steepest = -np.gradient(profiles, _STEP_HL * head_length, axis=1).min(1)
    clear = (contrast > _CLEAR) & (steepest > 0)
    return np.asarray(contrast[clear] / steepest[clear])


def _flagellum(
    skeleton: Skeleton | None, tails: Sequence[Tail], shape: tuple[int, int], head_length: float
) -> tuple[float, float, int]:
    """Length of all flagellum and of that beside every tail, pixels, and how often flagella meet."""
    if skeleton is None:
        return sum(polyline_length(tail.centreline) for tail in tails), 0.0, 0
    owned = beside(tails, shape, head_length)
    total = left = 0.0
    for branch in skeleton.branches:
        x, y = branch.points.round().astype(int).T
        total += branch.length
        left += branch.length * float(1 - owned[y, x].mean())
    return total, left, sum(len(ends) > 2 for ends in skeleton.at_node)
