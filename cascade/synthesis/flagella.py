"""Flagella: from a centreline to stain and truth.

A flagellum is thinner than the microscope resolves, so its cross-section is the Gaussian of the blur. Experts draw its
edge near half of the contrast; measured on their outlines, the half-width is about 1.45 times the Gaussian's scale.
Every pixel near the line finds its nearest sample through a labelled distance transform, which gives both the
distance and the position along the line exactly and cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cascade.synthesis.canvas import Canvas
from cascade.synthesis.scene import SceneSperm
from cascade.types import FloatArray, Region

EDGE = 1.45
"""Half-width of the truth in units of the cross-section's scale."""
REACH = 3.2
"""How far the cross-section is drawn, same units."""
PIECE = 75
"""Samples drawn at a time: short pieces have small crops, and a line that meets itself absorbs twice."""


@dataclass(frozen=True, eq=False)
class FlagellumTruth:
    """What a careful expert would outline of one flagellum.

    Attributes:
        midpiece, tail: pixels in the picture, None where there are none.
        centreline: `(n, 2)` visible samples inside the picture, from the neck to the tip.
    """

    midpiece: Region | None
    tail: Region | None
    centreline: FloatArray


def draw_flagellum(
    canvas: Canvas, one: SceneSperm, midpiece_colour: FloatArray, tail_colour: FloatArray, visible: float
) -> FlagellumTruth:
    """Add a flagellum to the canvas and return its truth.

    Args:
        canvas: what to draw on.
        one: the sperm.
        midpiece_colour, tail_colour: `(3,)` optical density per channel at strength 1.
        visible: optical density (largest channel) on the centreline below which an expert loses the line.
    """
    line = one.centreline
    if len(line) < 2:
        return FlagellumTruth(None, None, np.zeros((0, 2)))
    step = float(np.hypot(*(line[1] - line[0])))
    at = np.arange(len(line)) * step
    sigma = np.hypot(one.sigma, one.defocus)
    strength = one.strength * one.stain_uptake * one.sigma / sigma
    mix = 1 / (1 + np.exp(np.clip((at - one.midpiece) / (0.12 * max(one.midpiece, 1.0)), -50, 50)))
    peak = strength * (mix * midpiece_colour.max() + (1 - mix) * tail_colour.max())
    seen = np.flatnonzero(peak >= visible)
    last = int(seen[-1]) + 1 if seen.size else 0
    masks = np.zeros((0, 3), np.int32)
    for first in range(0, len(line), PIECE):
        stop = min(first + PIECE, len(line))
        masks = np.concatenate(
            [
                masks,
                _draw_piece(canvas, line, first, stop, sigma, strength, mix, midpiece_colour, tail_colour),
            ]
        )
    masks = masks[masks[:, 2] < last]
    is_midpiece = masks[:, 2] * step < one.midpiece
    shown = line[:last]
    height, width = canvas.shape
    inside = (shown > -0.5).all(1) & (shown[:, 0] < width - 0.5) & (shown[:, 1] < height - 0.5)
    return FlagellumTruth(
        _gather(canvas, masks[is_midpiece]), _gather(canvas, masks[~is_midpiece]), shown[inside].copy()
    )


def _draw_piece(
    canvas: Canvas,
    line: FloatArray,
    first: int,
    stop: int,
    sigma: FloatArray,
    strength: FloatArray,
    mix: FloatArray,
    midpiece_colour: FloatArray,
    tail_colour: FloatArray,
) -> FloatArray:
    """Draw samples `first` to `stop`; return `(n, 3)` x, y and nearest sample of the pixels within its edge."""
    nothing = np.zeros((0, 3), np.int32)
    core = line[first:stop]
    reach = float(sigma[first:stop].max()) * REACH + 1
    window = canvas.window(core.min(0) - reach, core.max(0) + reach)
    if window is None:
        return nothing
    x0, y0, x1, y1 = window
    low, high = max(0, first - 12), min(len(line), stop + 12)
    pixel = np.rint(line[low:high] - [x0, y0]).astype(np.intp)
    ok = (pixel >= 0).all(1) & (pixel[:, 0] < x1 - x0) & (pixel[:, 1] < y1 - y0)
    if not ok.any():
        return nothing
    source = np.ones((y1 - y0, x1 - x0), np.uint8)
    source[pixel[ok, 1], pixel[ok, 0]] = 0
    distance, labels = cv2.distanceTransformWithLabels(source, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    sample_of = np.zeros(int(labels.max()) + 1, np.intp)
    sample_of[labels[pixel[ok, 1], pixel[ok, 0]]] = np.flatnonzero(ok) + low
    ys, xs = np.nonzero(distance <= reach)
    nearest = sample_of[labels[ys, xs]]
    at, across, along = _project(line, nearest, xs + x0, ys + y0)
    mine = (at >= first) & (at < stop)
    overshoot = np.where((at == 0) & (along < 0) | (at == len(line) - 1) & (along > 0), np.abs(along), 0.0)
    radius = np.hypot(across, overshoot)[mine]
    ys, xs, at = ys[mine], xs[mine], at[mine]
    dye = strength[at] * np.exp(-0.5 * (radius / sigma[at]) ** 2)
    for weight, colour in ((mix, midpiece_colour), (1 - mix, tail_colour)):
        if weight[first:stop].max() > 0.01:
            amount = np.zeros(source.shape, np.float32)
            amount[ys, xs] = dye * weight[at]
            canvas.add(window, amount, colour)
    within = radius <= np.maximum(EDGE * sigma[at], 0.6)
    return np.column_stack([xs[within] + x0, ys[within] + y0, at[within]]).astype(np.int32)


def _project(
    line: FloatArray, nearest: FloatArray, xs: FloatArray, ys: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Refine nearest samples; return sample, distance across the line and signed rest along it."""
    tangent = np.gradient(line, axis=0)
    step = np.hypot(*tangent.T)
    tangent = tangent / step[:, None]
    at = nearest
    for _ in range(2):
        offset = np.column_stack([xs, ys]) - line[at]
        along = (offset * tangent[at]).sum(1)
        at = np.clip(at + np.rint(along / step[at]).astype(np.intp), 0, len(line) - 1)
    offset = np.column_stack([xs, ys]) - line[at]
    along = (offset * tangent[at]).sum(1)
    across = offset[:, 0] * tangent[at, 1] - offset[:, 1] * tangent[at, 0]
    return at, across, along


def _gather(canvas: Canvas, pixels: FloatArray) -> Region | None:
    """Pixels `(n, 3)` as a region of the picture."""
    if not len(pixels):
        return None
    x0, y0 = pixels[:, :2].min(0)
    width, height = pixels[:, :2].max(0) - (x0, y0) + 1
    mask = np.zeros((height, width), bool)
    mask[pixels[:, 1] - y0, pixels[:, 0] - x0] = True
    return canvas.region(mask, int(x0), int(y0))
