"""Flagella: from a centreline to stain and truth.

A flagellum is hardly wider than the microscope resolves, so its cross-section is nearly a Gaussian. Experts
draw its edge near half of the contrast; on their outlines that is about 1.45 times the cross-section's scale.
Every pixel near the line finds its nearest sample through a labelled distance transform, which gives both the
distance and the position along the line exactly and cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.synthesis.canvas import Canvas, Window
from cascade.synthesis.scene import SceneSperm
from cascade.synthesis.slide import Slide
from cascade.types import FloatArray, Region

EDGE = 1.45
"""Half-width of the truth in units of the cross-section's scale."""
FLATNESS = 2.3
"""Exponent of the cross-section; 2 is a Gaussian, the measured mean profile is a little flatter on top."""
REACH = 3.0
"""How far the cross-section is drawn, in units of its scale."""
PIECE = 75
"""Samples drawn at a time: short pieces have small crops, and a line that meets itself absorbs twice."""

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class FlagellumTruth:
    """What a careful expert would outline of one flagellum.

    Attributes:
        midpiece, tail: pixels in the picture, None where there are none.
        centreline: `(n, 2)` visible samples, from the neck to the tip.
    """

    midpiece: Region | None
    tail: Region | None
    centreline: FloatArray


@dataclass(frozen=True, eq=False)
class _Line:
    """A centreline with what is needed to draw it, one value a sample (`tangent`: unit vectors `(n, 2)`)."""

    points: FloatArray
    tangent: FloatArray
    spacing: float
    sigma: FloatArray
    strength: FloatArray
    mix: FloatArray


def draw_flagellum(slide: Slide, one: SceneSperm, visible: float) -> FlagellumTruth:
    """Add a flagellum to the slide and return its truth.

    Args:
        slide: what to draw on.
        one: the sperm.
        visible: optical density of the centreline's strongest channel below which an expert loses it.
    """
    if len(one.centreline) < 3:
        return FlagellumTruth(None, None, np.zeros((0, 2)))
    line = _prepare(one)
    stain = slide.stain
    peak = line.strength * (line.mix * stain.midpiece.max() + (1 - line.mix) * stain.tail.max())
    seen = np.flatnonzero(peak >= visible)
    last = int(seen[-1]) + 1 if seen.size else 0
    pixels = np.concatenate(
        [
            _draw_piece(slide, line, first, min(first + PIECE, len(line.points)))
            for first in range(0, len(line.points), PIECE)
        ]
    )
    pixels = pixels[pixels[:, 2] < last]
    is_midpiece = pixels[:, 2] * line.spacing < one.midpiece
    shown = one.centreline[:last]
    return FlagellumTruth(
        _gather(slide.canvas, pixels[is_midpiece]),
        _gather(slide.canvas, pixels[~is_midpiece]),
        shown[slide.canvas.visible(shown)].copy(),
    )


def _prepare(one: SceneSperm) -> _Line:
    points = one.centreline
    tangent = np.gradient(points, axis=0)
    length = np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)
    spacing = float(np.median(length))
    sigma = np.hypot(one.sigma, one.defocus)
    at = np.arange(len(points)) * spacing
    beyond = (at - one.midpiece) / (0.2 * max(one.midpiece, 1.0))
    return _Line(
        points=points,
        tangent=tangent / length[:, None],
        spacing=spacing,
        sigma=sigma,
        strength=one.strength * one.stain_uptake * one.sigma / sigma,
        mix=1 / (1 + np.exp(np.clip(beyond, -50, 50))),
    )


def _draw_piece(slide: Slide, line: _Line, first: int, stop: int) -> Indices:
    """Draw samples `first` to `stop`; return `(n, 3)` x, y and nearest sample of the pixels inside."""
    core = line.points[first:stop]
    reach = float(line.sigma[first:stop].max()) * REACH + 1
    window = slide.canvas.window(core.min(0) - reach, core.max(0) + reach)
    found = None if window is None else _nearest(line, window, (max(0, first - 12), stop + 12), reach)
    if window is None or found is None:
        return np.zeros((0, 3), np.intp)
    xs, ys, nearest = found
    at, radius = _project(line, nearest, xs, ys)
    mine = (at >= first) & (at < stop)
    xs, ys, at, radius = xs[mine], ys[mine], at[mine], radius[mine]
    dye = line.strength[at] * np.exp(-0.5 * (radius / line.sigma[at]) ** FLATNESS)
    x0, y0, x1, y1 = window
    for weight, colour in ((line.mix, slide.stain.midpiece), (1 - line.mix, slide.stain.tail)):
        if weight[first:stop].max() > 0.01:
            amount = np.zeros((y1 - y0, x1 - x0), np.float32)
            amount[ys - y0, xs - x0] = dye * weight[at]
            slide.canvas.add(window, amount, colour)
    within = radius <= np.maximum(EDGE * line.sigma[at], 0.6)
    return np.column_stack([xs[within], ys[within], at[within]])


def _nearest(
    line: _Line, window: Window, samples: tuple[int, int], reach: float
) -> tuple[Indices, Indices, Indices] | None:
    """x, y and, roughly, nearest sample of the pixels within `reach` of a range of samples."""
    x0, y0, x1, y1 = window
    pixel = np.rint(line.points[samples[0] : samples[1]] - [x0, y0]).astype(np.intp)
    ok = (pixel >= 0).all(1) & (pixel[:, 0] < x1 - x0) & (pixel[:, 1] < y1 - y0)
    if not ok.any():
        return None
    source = np.ones((y1 - y0, x1 - x0), np.uint8)
    source[pixel[ok, 1], pixel[ok, 0]] = 0
    distance, labels = cv2.distanceTransformWithLabels(source, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    sample_of = np.zeros(int(labels.max()) + 1, np.intp)
    sample_of[labels[pixel[ok, 1], pixel[ok, 0]]] = np.flatnonzero(ok) + samples[0]
    ys, xs = np.nonzero(distance <= reach)
    return xs + x0, ys + y0, sample_of[labels[ys, xs]]


def _project(line: _Line, at: Indices, xs: Indices, ys: Indices) -> tuple[Indices, FloatArray]:
    """Refine nearest samples; return them and each pixel's distance from the line, round beyond its ends."""
    last = len(line.points) - 1
    for _ in range(2):
        dx, dy = xs - line.points[at, 0], ys - line.points[at, 1]
        along = dx * line.tangent[at, 0] + dy * line.tangent[at, 1]
        at = np.clip(at + np.rint(along / line.spacing).astype(np.intp), 0, last)
    dx, dy = xs - line.points[at, 0], ys - line.points[at, 1]
    along = dx * line.tangent[at, 0] + dy * line.tangent[at, 1]
    across = dx * line.tangent[at, 1] - dy * line.tangent[at, 0]
    beyond = ((at == 0) & (along < 0)) | ((at == last) & (along > 0))
    return at, np.hypot(across, np.where(beyond, along, 0.0))


def _gather(canvas: Canvas, pixels: Indices) -> Region | None:
    """Pixels `(n, 3)` as a region of the picture."""
    if not len(pixels):
        return None
    x0, y0 = (int(value) for value in pixels[:, :2].min(0))
    width, height = (int(value) for value in pixels[:, :2].max(0) - (x0, y0) + 1)
    mask = np.zeros((height, width), bool)
    mask[pixels[:, 1] - y0, pixels[:, 0] - x0] = True
    return canvas.region(mask, x0, y0)
