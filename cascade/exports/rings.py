"""A mask's outline along the edges of its pixels, as polygons with holes: exact, and valid in OGC's sense.

Pixel `(x, y)` covers the square from corner `(x, y)` to `(x + 1, y + 1)`, as in QuPath and ImageJ: half a
pixel off the centre convention of the rest of the package.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from cascade.types import BoolArray, Region

Corner = tuple[int, int]
Ring = list[Corner]
Polygon = list[Ring]
"""The outer ring, then holes. Rings are not closed (the first corner is not repeated)."""


def polygons(region: Region) -> list[Polygon]:
    """One polygon for each piece of a region (pieces connect over pixel edges, not corners).

    Returns:
        Polygons in image pixels. By the shoelace sum of `(x, y)`, outer rings are positive and holes
        negative, as GeoJSON asks. No ring touches itself, so every polygon is valid; the polygons' area is
        the region's.
    """
    if not region.mask.any():
        return []
    count, labels = cv2.connectedComponents(region.mask.astype(np.uint8), connectivity=4)
    found = []
    for label in range(1, count):
        rings = [[(x + region.x0, y + region.y0) for x, y in ring] for ring in _trace(labels == label)]
        found.append(sorted(rings, key=_area, reverse=True))
    return found


def _trace(mask: BoolArray) -> Iterator[Ring]:
    """The rings of one connected piece, walked with the inside at the right hand (y down), straight runs as
    one step.

    Where two pixels meet at a corner only, four edges meet. There the walk turns left, as if the pixels
    touched: in one connected piece the two gaps beside them are then different gaps, so that every ring
        passes a corner once.
    """
    following = _edges(mask)
    while following:
        start = corner = next(iter(following))
        ring: Ring = []
        heading = (0, 0)
        while not ring or corner != start:
            turn = _take(following, corner, heading)
            if turn != heading:
                ring.append(corner)
            corner, heading = (corner[0] + turn[0], corner[1] + turn[1]), turn
        if len(ring) > 4 and _between(ring[-1], ring[0], ring[1]):
            ring.pop(0)  # the walk began in the middle of a straight run
        yield ring


def _edges(mask: BoolArray) -> dict[Corner, list[Corner]]:
    """Corner → the one or two directions in which boundary edges leave it."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    sides = (
        (inside & ~padded[:-2, 1:-1], (0, 0), (1, 0)),  # top edges run right,
        (inside & ~padded[1:-1, 2:], (1, 0), (0, 1)),  # right edges down,
        (inside & ~padded[2:, 1:-1], (1, 1), (-1, 0)),  # bottom edges left,
        (inside & ~padded[1:-1, :-2], (0, 1), (0, -1)),  # left edges up
    )
    following: dict[Corner, list[Corner]] = {}
    for edge, (dx, dy), direction in sides:
        rows, columns = np.nonzero(edge)
        for x, y in zip((columns + dx).tolist(), (rows + dy).tolist(), strict=True):
            following.setdefault((x, y), []).append(direction)
    return following


def _take(following: dict[Corner, list[Corner]], corner: Corner, heading: Corner) -> Corner:
    """Use up an edge that leaves the corner, the one to the left where there are two."""
    directions = following[corner]
    left = (heading[1], -heading[0])
    direction = directions.pop(directions.index(left) if left in directions else 0)
    if not directions:
        del following[corner]
    return direction


def _between(a: Corner, b: Corner, c: Corner) -> bool:
    return a[0] == b[0] == c[0] or a[1] == b[1] == c[1]


def _area(ring: Ring) -> int:
    """Twice the signed area (shoelace formula)."""
    xy = np.array(ring)
    after = np.roll(xy, -1, axis=0)
    return int((xy[:, 0] * after[:, 1] - after[:, 0] * xy[:, 1]).sum())
