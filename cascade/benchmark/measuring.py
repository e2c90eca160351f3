"""The lengths, widths and areas of `sperm.csv`, measured on an outline.

A head is measured as everywhere, without pieces that lie far off: slips of the pen. A flagellum's centreline
is the longest path along the skeleton of its outline; pieces of one flagellum are put in order from the head,
and the gaps between them count as flagellum, straight across. Its width is that of a band with round ends of
the outline's area and length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, dijkstra

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.geometry import ellipse_axes, polyline_length, smooth_polyline
from cascade.morphometrics import measure
from cascade.types import BoolArray, FloatArray, Head, Region, Result, Sperm, Tail

MEASURES = (
    "head_length_px",
    "head_width_px",
    "head_perimeter_px",
    "head_area_px2",
    "tail_length_px",
    "tail_width_px",
    "tail_area_px2",
)
"""Columns of `sperm.csv` that are compared; those in micrometres are the same, scaled."""

_EIGHT = np.ones((3, 3), int)
_AHEAD = ((0, 1), (1, 0), (1, 1), (1, -1))  # each pair of neighbours once
_SMOOTH = 3.0  # pixels: a chain of pixels is about 5 % too long
_SPECK = 3  # points: shorter pieces of a skeleton have no direction


def measure_outline(sperm: AnnotatedSperm, shape: tuple[int, int]) -> dict[str, float]:
    """Measure → value, as far as the sperm has the part.

    Args:
        sperm: outlined by an expert, or found by a method.
        shape: `(height, width)` of the image.
    """
    head, tail = _head(sperm), _tail(sperm)
    if head is None and tail is None:
        return {}
    result = Result(shape, (Sperm(1, head, tail, 1.0),), head.length if head else 1.0, "measured")
    row = measure(result)[0]
    return {name: float(v) for name in MEASURES if isinstance(v := row[name], int | float)}


def _head(sperm: AnnotatedSperm) -> Head | None:
    region = near_largest(sperm.head)
    return Head(region, 1.0, *ellipse_axes(region)) if region.area else None


def near_largest(region: Region) -> Region:
    """A region without pieces that lie far from its largest: slips, such as a vacuole of another sperm.

    Far is more than the radius of a disc of the largest's area.
    """
    labels, count = ndimage.label(region.mask, _EIGHT)
    if count < 2:
        return region
    areas = np.bincount(labels.ravel())[1:]
    largest = int(np.argmax(areas)) + 1
    away = ndimage.distance_transform_edt(labels != largest)
    near = np.unique(labels[away <= math.sqrt(areas.max() / math.pi)])
    return Region.from_full(region.mask & np.isin(labels, near), region.x0, region.y0)


def _tail(sperm: AnnotatedSperm) -> Tail | None:
    if not sperm.flagellum.area:
        return None
    pieces = skeleton_paths(sperm)
    if not pieces:
        return None
    length = sum(polyline_length(smooth_polyline(piece, 1.0, _SMOOTH)) for piece in pieces)
    start = ellipse_axes(sperm.head)[0] if sperm.head.area else pieces[0][0]
    line = np.concatenate(in_order(pieces, start))
    return Tail(sperm.flagellum, 1.0, line, band_width(sperm.flagellum.area, length, len(pieces)))


def skeleton_paths(sperm: AnnotatedSperm) -> list[FloatArray]:
    """The longest path along the skeleton of every piece of a flagellum, `(n, 2)` x, y each.

    Of the shortest ways between two pixels of a piece the longest, found by going out twice: exact on a tree;
    a loop is cut short.
    """
    line = sperm.centreline
    ys, xs = np.nonzero(line.mask)
    points = np.stack([xs + line.x0, ys + line.y0], 1).astype(float)
    graph = _neighbours(line.mask, ys, xs)
    count, piece = connected_components(graph, directed=False)
    paths: list[FloatArray] = []
    for start in np.unique(piece, return_index=True)[1]:
        away = dijkstra(graph, directed=False, indices=start)
        far = np.array(np.argmax(np.where(np.isfinite(away), away, -1.0)))
        away, before = dijkstra(graph, directed=False, indices=far, return_predecessors=True)
        chain = [int(np.argmax(np.where(np.isfinite(away), away, -1.0)))]
        while chain[-1] != far:
            chain.append(int(before[chain[-1]]))
        if len(chain) >= _SPECK or count == 1:
            paths.append(points[chain])
    return paths


def _neighbours(mask: BoolArray, ys: NDArray[np.int_], xs: NDArray[np.int_]) -> Any:
    """Graph of a mask's pixels; an edge is as long as the step between two of them that touch."""
    index = np.pad(np.full(mask.shape, -1), 1, constant_values=-1)
    index[ys + 1, xs + 1] = np.arange(len(ys))
    start, end, step = [], [], []
    for dy, dx in _AHEAD:
        other = index[ys + 1 + dy, xs + 1 + dx]
        here = np.flatnonzero(other >= 0)
        start.append(here)
        end.append(other[here])
        step.append(np.full(len(here), math.hypot(dx, dy)))
    edges = (np.concatenate(start), np.concatenate(end))
    return csr_matrix((np.concatenate(step), edges), shape=(len(ys), len(ys)))


def in_order(pieces: list[FloatArray], start: FloatArray) -> list[FloatArray]:
    """Pieces of one line, each turned so that it begins nearest to where the one before ended."""
    left, here, out = list(pieces), np.asarray(start, float), []
    while left:
        reach = [min(float(np.linalg.norm(piece[end] - here)) for end in (0, -1)) for piece in left]
        piece = left.pop(int(np.argmin(reach)))
        if np.linalg.norm(piece[-1] - here) < np.linalg.norm(piece[0] - here):
            piece = piece[::-1]
        out.append(piece)
        here = piece[-1]
    return out


def band_width(area: float, length: float, pieces: int = 1) -> float:
    """Width w of bands with round ends: area = w · length + pieces · π w² / 4."""
    ends = pieces * math.pi / 4
    return (math.sqrt(length**2 + 4 * ends * area) - length) / (2 * ends)
