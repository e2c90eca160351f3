"""The picture with what was found in it, to be judged at a glance.

Each sperm has a colour of its own, its head filled stronger than its tail, both thinly outlined; a number
stands beside it. A part that is alone (no tail to the head, no head to the tail) has a dashed outline and no
filling, and its number is grey. What is unusual about a sperm stands after its number; what to keep in mind
about the image stands in its lower left corner.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cascade.exports.colours import Colour, sperm_colours
from cascade.types import FloatArray, Region, Result, Sperm, UInt8Array

_HEAD_COVER, _TAIL_COVER = 0.45, 0.30  # opacity of the fillings
_ALONE: Colour = (60, 60, 60)
_WHITE: Colour = (255, 255, 255)
_DASH = 9  # pixels, for lines of one pixel
_LABEL_HEIGHT = 0.023  # of the image's height
_SMALLEST_LABEL = 11  # pixels


@dataclass(frozen=True)
class _Pen:
    """What is drawn with: everything grows with the image."""

    line: int
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw(image: UInt8Array, result: Result) -> UInt8Array:
    """`(h, w, 3)` RGB picture of a result.

    Args:
        image: `(h, w, 3)` RGB, of the result's shape.
        result: what was found in it.

    Raises:
        ValueError: image and result differ in size.
    """
    if image.shape[:2] != result.shape:
        raise ValueError(f"expected an image of {result.shape}, got {image.shape[:2]}")
    height = min(image.shape[:2])
    pen = _Pen(
        line=max(1, round(height / 1000)),
        font=ImageFont.load_default(max(_SMALLEST_LABEL, round(height * _LABEL_HEIGHT))),
    )
    out, colours = image.copy(), sperm_colours(result.sperm)
    for sperm in result.sperm:
        if sperm.complete:
            _fill(out, sperm, colours[sperm.sperm_id])
    for sperm in result.sperm:
        _outline(out, sperm, colours[sperm.sperm_id], pen)
    return _number(out, result, colours, pen)


def png(image: UInt8Array, result: Result) -> bytes:
    """The overlay as a PNG file.

    Raises:
        ValueError: as `draw`.
    """
    content = io.BytesIO()
    Image.fromarray(draw(image, result)).save(content, "PNG", compress_level=4)
    return content.getvalue()


def _fill(out: UInt8Array, sperm: Sperm, colour: Colour) -> None:
    for part, cover in ((sperm.tail, _TAIL_COVER), (sperm.head, _HEAD_COVER)):
        if part is None:
            continue
        region = _inside(part.region, out.shape)
        x0, y0, x1, y1 = region.box
        window = out[y0:y1, x0:x1]
        window[region.mask] = (window[region.mask] * (1 - cover) + np.array(colour) * cover).astype(np.uint8)


def _outline(out: UInt8Array, sperm: Sperm, colour: Colour, pen: _Pen) -> None:
    if not sperm.complete:
        colour = _ALONE
    for part in (sperm.tail, sperm.head):
        if part is None:
            continue
        region = part.region
        rings, _ = cv2.findContours(
            region.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(region.x0, region.y0)
        )
        if part is sperm.head:  # a dark line on a dark head needs a light one around it
            cv2.polylines(out, rings, True, _WHITE, pen.line + 2, cv2.LINE_AA)
        pieces = list(rings) if sperm.complete else [dash for ring in rings for dash in _dashes(ring, pen)]
        cv2.polylines(out, pieces, sperm.complete, colour, pen.line, cv2.LINE_AA)


def _dashes(ring: NDArray[Any], pen: _Pen) -> list[NDArray[Any]]:
    """Every other run of a ring's pixels."""
    length = _DASH * pen.line
    closed = np.concatenate([ring, ring[:1]])
    return [closed[start : start + length] for start in range(0, len(closed), 2 * length)]


def _number(out: UInt8Array, result: Result, colours: dict[int, Colour], pen: _Pen) -> UInt8Array:
    """Write the ids, each where it hides least."""
    taken = np.zeros(result.shape, np.uint8)
    for sperm in result.sperm:
        region = _inside(sperm.region, out.shape)
        x0, y0, x1, y1 = region.box
        taken[y0:y1, x0:x1] |= region.mask
    picture = Image.fromarray(out)
    canvas = ImageDraw.Draw(picture)
    halo = 2 * pen.line
    for sperm in result.sperm:
        text = ", ".join([str(sperm.sperm_id), *map(str, sperm.remarks)])
        box = canvas.textbbox((0, 0), text, pen.font, stroke_width=halo)
        left, top, right, bottom = (round(v) for v in box)
        x, y = _place(sperm, taken, right - left, bottom - top)
        colour = colours[sperm.sperm_id] if sperm.complete else _ALONE
        dark: Colour = (colour[0] * 2 // 3, colour[1] * 2 // 3, colour[2] * 2 // 3)
        canvas.text((x - left, y - top), text, dark, pen.font, stroke_width=halo, stroke_fill=_WHITE)
        taken[y : y + bottom - top, x : x + right - left] += 2  # worse to hide than a tail
    _caption(canvas, result, pen)
    return np.array(picture)


def _caption(canvas: ImageDraw.ImageDraw, result: Result, pen: _Pen) -> None:
    """Write what to keep in mind about the image into its lower left corner."""
    text = ", ".join(note.kind for note in result.notes)
    margin, bottom = 4 * pen.line, result.shape[0] - 4 * pen.line
    halo = 2 * pen.line
    canvas.text((margin, bottom), text, _ALONE, pen.font, anchor="ls", stroke_width=halo, stroke_fill=_WHITE)


def _place(sperm: Sperm, taken: NDArray[np.uint8], width: int, height: int) -> tuple[int, int]:
    """Top left corner of a label around the head, or around the tail's beginning, within the image."""
    centre, radius = _anchor(sperm)
    size = np.array([width, height])
    most = np.maximum(np.array(taken.shape[::-1]) - size, 0)
    best, least = (0, 0), np.inf
    for angle in np.arange(0, 2 * np.pi, np.pi / 8):
        direction = np.array([np.cos(angle), -np.sin(angle)])
        middle = centre + direction * (radius + np.abs(direction) @ size / 2)
        x, y = np.clip(np.round(middle - size / 2), 0, most).astype(int).tolist()
        hidden = float(taken[y : y + height, x : x + width].sum())
        if hidden < least:
            best, least = (x, y), hidden
    return best


def _anchor(sperm: Sperm) -> tuple[FloatArray, float]:
    """The point that a label belongs to, and how far off it the label begins, pixels."""
    if sperm.head is not None:
        return sperm.head.centre, sperm.head.length / 2 + 1
    if sperm.tail is not None and len(sperm.tail.centreline):
        return sperm.tail.centreline[len(sperm.tail.centreline) // 2], sperm.tail.width
    x0, y0, x1, y1 = sperm.region.box
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), 0.0


def _inside(region: Region, shape: tuple[int, ...]) -> Region:
    """The part of a region that lies in the image."""
    x0, y0 = region.x0, region.y0
    left, top = max(x0, 0), max(y0, 0)
    return Region(region.mask[top - y0 : max(shape[0] - y0, 0), left - x0 : max(shape[1] - x0, 0)], left, top)
