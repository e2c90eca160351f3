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
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = sorted((contour[:, 0].astype(float) for contour in contours), key=len, reverse=True)
    joined = rings[0]
    for ring in rings[1:]:
        joined = _bridged(joined, ring)
    while len(joined) < 3:  # a dot or a line; readers ask for three points
        joined = np.vstack([joined, joined[-1]])
    return np.asarray(joined + np.array([region.x0, region.y0]))


def _bridged(outline: FloatArray, ring: FloatArray) -> FloatArray:
    """Walk the outline to the place nearest to the ring, across, around the ring, back, and on."""
    distance, nearest = KDTree(outline).query(ring)
    there = int(np.argmin(np.asarray(distance)))
    here = int(np.asarray(nearest)[there])
    around = np.vstack([ring[there:], ring[: there + 1]])
    return np.vstack([outline[: here + 1], around, outline[here:]])
