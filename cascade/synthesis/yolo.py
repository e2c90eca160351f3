"""Masks as YOLO's segmentation labels: one polygon an object, in fractions of the picture.

The format knows neither holes nor several pieces. Readers fill polygons by the even-odd rule, so rings are
joined into one by bridges that are walked to and fro and cover nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import KDTree

from cascade.exports.atomic import whole_text
from cascade.synthesis.render import SyntheticSperm
from cascade.types import FloatArray, Region

CLASSES = ("head", "tail")


def write_labels(path: Path, sperm: Iterable[SyntheticSperm], shape: tuple[int, int]) -> None:
    """Write a picture's label file: a line an object, `class x1 y1 x2 y2 …`.

    Args:
        path: of the label file.
        sperm: what to label; a head is a `head`, a whole flagellum a `tail`.
        shape: `(height, width)` of the picture.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_text(path) as handle:
        for one in sperm:
            for number, region in enumerate((one.head, one.flagellum)):
                if region is not None and region.area:
                    points = polygon(region) + 0.5  # from pixel centres to the picture's edge as origin
                    values = (points / np.array([shape[1], shape[0]])).ravel()
                    handle.write(f"{number} {' '.join(f'{value:.6f}' for value in values)}\n")


def write_yaml(out: Path) -> Path:
    """Write `data.yaml`, which trainers take: where pictures lie and what the classes are called.

    Raises:
        OutputError: it cannot be written.
    """
    path = out / "data.yaml"
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(CLASSES))
    with whole_text(path) as handle:
        handle.write(
            "# Validate on other smears than these: draw them with another --seed.\n"
            f"train: images\nval: images\nnames:\n{names}"
        )
    return path


def polygon(region: Region) -> FloatArray:
    """`(n, 2)` x, y of pixel centres; filled by the even-odd rule, edge included, it is the region.

    Args:
        region: with at least one pixel.
    """
    mask = region.mask.astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = sorted((contour[:, 0].astype(float) for contour in contours), key=len)
    joined = rings.pop()
    while rings:  # the nearest first, so that bridges are short
        near = [_nearest(joined, ring) for ring in rings]
        chosen = min(range(len(rings)), key=lambda number: near[number][0])
        joined = _bridged(joined, rings.pop(chosen), near[chosen][1], near[chosen][2])
    return np.asarray(_corners(joined) + np.array([region.x0, region.y0]))


def _nearest(outline: FloatArray, ring: FloatArray) -> tuple[float, int, int]:
    """Least distance, and where it is: index in the outline and in the ring."""
    distance, index = KDTree(outline).query(ring)
    there = int(np.argmin(np.asarray(distance)))
    return float(np.asarray(distance)[there]), int(np.asarray(index)[there]), there


def _bridged(outline: FloatArray, ring: FloatArray, here: int, there: int) -> FloatArray:
    """Walk the outline to `here`, across, around the ring from `there`, back, and on."""
    around = np.vstack([ring[there:], ring[: there + 1]])
    return np.vstack([outline[: here + 1], around, outline[here:]])


def _corners(points: FloatArray) -> FloatArray:
    """Without points on a straight line between their neighbours; three at least, as readers ask."""
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    bends = (before != after).any(1)
    kept = points[bends] if bends.sum() >= 3 else points
    while len(kept) < 3:
        kept = np.vstack([kept, kept[-1]])
    return np.asarray(kept)
