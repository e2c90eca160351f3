"""Measurements of every sperm in a result: head, tail, and how they sit together.

Head length L and width W are the full axes of the ellipse with the head's second moments, as in `Head`;
area A is the number of its pixels, perimeter P the length of its smoothed outline (`outline_length`). The
shape factors are those of computer-assisted sperm morphometry (Alquézar-Baeta et al., OpenCASA, PLoS Comput.
Biol. 15, 2019): ellipticity L/W, elongation (L−W)/(L+W), rugosity 4πA/P² (1 for a disc, less for a rough
outline), regularity πLW/4A (1 for an ellipse, more for any other shape). That program takes L and W between
callipers; on an ellipse both definitions agree, and moments do not hang on single pixels of the outline.

A tail's length is taken along its smoothed centreline: a chain of pixels, which goes only straight and
diagonally, is about 5 % too long.
"""

from __future__ import annotations

import math

from cascade.geometry import (
    angle_between,
    direction_degrees,
    ellipse_axes,
    outline_length,
    polyline_length,
    smooth_polyline,
    tangent_at,
)
from cascade.types import FloatArray, Head, Region, Result, Sperm, Tail

Measure = bool | int | float | str | None
Row = dict[str, Measure]

_LENGTHS = ("head_length", "head_width", "head_perimeter", "tail_length", "tail_width")
_AREAS = ("head_area", "tail_area")
_SMALLEST_SIGMA = 3.0  # pixels: takes the stairs out of a chain of pixels at any slope


def measure(result: Result) -> list[Row]:
    """Measure every sperm of one image.

    Returns:
        One row a sperm, in the order of `result.sperm`, all with the same keys in the same order; units
        are in the names. What is not defined (no head, no tail, no pixel size, nothing to divide by) is
        None, never NaN. `head_angle_deg` is the direction of the long axis, counter-clockwise from +x in
        image view, in [0, 180); `head_tail_angle_deg` lies between the head's axis, pointing to where the
        tail starts, and the tail's first head length: 0 for a tail that goes straight on. `found_in` is
        the stage that understood the tail; `remarks` and `image_notes` say what is unusual about the sperm
        and about the whole image.
    """
    return [_row(sperm, result) for sperm in result.sperm]


def _row(sperm: Sperm, result: Result) -> Row:
    row: Row = {
        "sperm_id": sperm.sperm_id,
        "score": sperm.score,
        "complete": sperm.complete,
        "touches_border": touches_border(sperm.region, result.shape),
        "remarks": "; ".join(map(str, sperm.remarks)) or None,
        "image_notes": "; ".join(note.kind for note in result.notes) or None,
        "head_score": sperm.head.score if sperm.head else None,
        "tail_score": sperm.tail.score if sperm.tail else None,
        "found_in": sperm.tail.found_in if sperm.tail else None,
    }
    row |= _measure_head(sperm.head)
    row |= _measure_tail(sperm.tail)
    row["head_tail_angle_deg"] = _head_tail_angle(sperm.head, sperm.tail)
    row |= _in_micrometres(row, result.pixel_size)
    return {name: _defined(value) for name, value in row.items()}


def touches_border(region: Region, shape: tuple[int, int]) -> bool:
    """Whether a region reaches the edge of an image of `(height, width)`, so that it may be incomplete."""
    x0, y0, x1, y1 = region.box
    return region.mask.size > 0 and (x0 <= 0 or y0 <= 0 or x1 >= shape[1] or y1 >= shape[0])


def _measure_head(head: Head | None) -> Row:
    names = (
        "head_x_px",
        "head_y_px",
        "head_angle_deg",
        "head_length_px",
        "head_width_px",
        "head_area_px2",
        "head_perimeter_px",
        "head_ellipticity",
        "head_elongation",
        "head_rugosity",
        "head_regularity",
    )
    if head is None or head.region.area == 0:
        return dict.fromkeys(names)
    (x, y), axis, length, width = ellipse_axes(head.region)
    area = head.region.area
    perimeter = outline_length(head.region)
    values = (
        float(x),
        float(y),
        direction_degrees(axis) % 180.0 % 180.0,  # twice: a tiny negative angle leaves 180
        length,
        width,
        area,
        perimeter,
        length / width,
        (length - width) / (length + width),
        4 * math.pi * area / perimeter**2,
        math.pi * length * width / (4 * area),
    )
    return dict(zip(names, values, strict=True))


def _measure_tail(tail: Tail | None) -> Row:
    names = ("tail_length_px", "tail_tortuosity", "tail_width_px", "tail_area_px2")
    if tail is None:
        return dict.fromkeys(names)
    line = _smooth_centreline(tail)
    length = polyline_length(line)
    span = polyline_length(line[[0, -1]]) if len(line) > 1 else 0.0
    values = (
        length if length > 0 else None,
        length / span if span > 0 else None,
        tail.width,
        tail.region.area,
    )
    return dict(zip(names, values, strict=True))


def _smooth_centreline(tail: Tail) -> FloatArray:
    """Centreline at steps of a pixel, without a pixel chain's stairs and wobbles narrower than the tail."""
    width = tail.width if math.isfinite(tail.width) else 0.0
    return smooth_polyline(tail.centreline, step=1.0, sigma=max(_SMALLEST_SIGMA, width / 2))


def _head_tail_angle(head: Head | None, tail: Tail | None) -> float | None:
    if head is None or tail is None or head.region.area == 0 or len(tail.centreline) == 0:
        return None
    centre, axis, length, _ = ellipse_axes(head.region)
    line = _smooth_centreline(tail)
    towards_tail = axis if float((line[0] - centre) @ axis) >= 0 else -axis
    return angle_between(towards_tail, tangent_at(line, 0.0, length))


def _in_micrometres(row: Row, pixel_size: float | None) -> Row:
    out: Row = {}
    for name in _LENGTHS:
        out[f"{name}_um"] = _scaled(row[f"{name}_px"], pixel_size)
    for name in _AREAS:
        out[f"{name}_um2"] = _scaled(row[f"{name}_px2"], None if pixel_size is None else pixel_size**2)
    return out


def _scaled(value: Measure, factor: float | None) -> float | None:
    return value * factor if isinstance(value, int | float) and factor is not None else None


def _defined(value: Measure) -> Measure:
    return None if isinstance(value, float) and not math.isfinite(value) else value
