"""Where to ask: points as prompts, pure geometry."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from cascade.sam.protocol import Prompts
from cascade.types import BoolArray, FloatArray

MOST_POINTS = 8
"""Points a prompt, at most: as many as `tiny` has been taught with."""

_WAIST = 0.85
"""Where a blob is hardly thinner between two peaks than at the lower one, both are of one object."""


def blob_centres(mask: BoolArray, apart: float) -> FloatArray:
    """One point in each blob of a mask, several where blobs touch: `(n, 2)` x, y.

    Points are the peaks of the distance to the blob's edge, no two nearer than `apart` pixels, and none that
    no waist parts from another.
    """
    if not mask.any():
        return np.zeros((0, 2))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    depth = np.asarray(cv2.GaussianBlur(depth, (0, 0), max(apart / 8, 0.5)), np.float32)[1:-1, 1:-1] * mask
    reach = 2 * round(apart / 2) + 1
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    ys, xs = np.nonzero((depth >= cv2.dilate(depth, window)) & (depth > 0))
    points = np.stack([xs, ys], -1).astype(float)
    kept: list[FloatArray] = []
    for point in points[np.argsort(-depth[ys, xs], kind="stable")]:
        if all(
            float(np.hypot(*(point - other))) >= apart and _waist(depth, point, other) < _WAIST
            for other in kept
        ):
            kept.append(point)
    return np.array(kept, float).reshape(-1, 2)


def _waist(depth: FloatArray, peak: FloatArray, higher: FloatArray) -> float:
    """Least depth on the way from a peak to a higher one, as a share of the peak's."""
    steps = round(float(np.hypot(*(higher - peak)))) + 1
    x, y = np.round(np.linspace(peak, higher, steps)).astype(int).T
    return float(depth[y, x].min() / depth[y[0], x[0]])


def points_along(line: FloatArray, spacing: float, most: int = MOST_POINTS) -> FloatArray:
    """Points at even steps along a polyline, about `spacing` pixels apart, `most` at most: `(n, 2)`."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    number = int(np.clip(round(arc[-1] / spacing), 1, most))
    at = (np.arange(number) + 0.5) / number * arc[-1]
    return np.stack([np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])], -1)


def grid(shape: tuple[int, int], side: int) -> FloatArray:
    """`side × side` points spread evenly, as SAM's automatic mask generator asks: `(side², 2)`."""
    height, width = shape
    x, y = np.meshgrid((np.arange(side) + 0.5) / side * width, (np.arange(side) + 0.5) / side * height)
    return np.stack([x.ravel(), y.ravel()], -1) - 0.5


def as_prompts(objects: Sequence[FloatArray]) -> Prompts:
    """One prompt an object, each with its `(n, 2)` points on it; shorter ones are padded."""
    most = max((len(points) for points in objects), default=1)
    points = np.zeros((len(objects), most, 2), np.float32)
    labels = np.full((len(objects), most), -1, np.int8)
    for i, own in enumerate(objects):
        points[i, : len(own)] = own
        labels[i, : len(own)] = 1
    return Prompts(points, labels)
