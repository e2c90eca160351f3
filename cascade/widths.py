"""How wide a flagellum is: its full width where contrast has fallen to 40 %, where experts draw its edge."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from cascade.geometry import smooth_polyline
from cascade.types import FloatArray, UInt8Array

_REACH_HL, _FAR = 0.2, 0.7
"""Profiles reach this far to each side; beyond this share of it they show the background."""
_STEP = 0.5
_LEVEL = 0.4
"""Share of the contrast on the centreline at which the edge lies: of 0.25 to 0.5 the best fit to outlines."""
_FEWEST = 5
"""Profiles that a width takes, at least."""


def darkness(image: UInt8Array) -> FloatArray:
    """`(height, width)` 0–255: how much darker than white an RGB image is, mean over its colours."""
    red, green, blue = cv2.split(image.astype(np.float32))
    return np.asarray(255.0 - (red + green + blue) / 3, np.float32)


def measure_width(line: FloatArray, dark: FloatArray, head_length: float, fallback: float) -> float:
    """Width of a flagellum in pixels: that of its median profile.

    Args:
        line: `(n, 2)` centreline, x, y.
        dark: `(height, width)` darkness of the normalised image.
        head_length: pixels.
        fallback: the width where nothing can be measured: a line too short, or without contrast.
    """
    points = smooth_polyline(line, 0.05 * head_length, 0.08 * head_length)
    if len(points) < _FEWEST:
        return fallback
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    across = np.stack([-along[:, 1], along[:, 0]], -1)
    at = np.arange(-_REACH_HL * head_length, _REACH_HL * head_length + _STEP, _STEP)
    places = points[:, None] + at[None, :, None] * across[:, None]
    profiles = ndimage.map_coordinates(dark, [places[..., 1], places[..., 0]], order=1, mode="nearest")
    return profile_width(np.median(profiles, axis=0), at, fallback)


def profile_width(profile: FloatArray, at: FloatArray, fallback: float) -> float:
    """Full width of a profile sampled at `at` (pixels), at the edges' level; `fallback` without a peak."""
    background = float(np.median(profile[np.abs(at) >= _FAR * np.abs(at).max()]))
    middle = np.abs(at) <= 0.3 * np.abs(at).max()
    peak = int(np.flatnonzero(middle)[np.argmax(profile[middle])])
    edge = background + _LEVEL * (float(profile[peak]) - background)
    if profile[peak] - background < 1:
        return fallback
    edges = []
    for side in (profile[peak::-1], profile[peak:]):
        below = np.flatnonzero(side < edge)
        if not len(below):
            return fallback
        outer = int(below[0])
        edges.append(outer - (edge - side[outer]) / (side[outer - 1] - side[outer]))
    return float(sum(edges) * (at[1] - at[0]))
