"""A picture to draw on in the image's own coordinates, at any size, with labels that look for free room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cascade.types import BoolArray, FloatArray, Region, UInt8Array

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Okabe and Ito's palette for colour-blind people; black is kept for what was rejected, sky blue for paint.
KEPT: tuple[Colour, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0))
REJECTED: Colour = (0, 0, 0)
PAINT: Colour = (170, 215, 245)
WHITE: Colour = (255, 255, 255)
INK: Colour = (30, 30, 30)
GREY: Colour = (110, 110, 110)

_SHIFT = 4  # bits after the point in OpenCV's drawing functions
_DASH = 6.0  # pixels, for lines of one pixel
_CROWDED = 0.35  # share of a label that may lie on lines before the label is left out, where that is allowed
# The bundled font holds Latin letters and little else.
_PLAIN = str.maketrans(
    {"×": "x", "–": "-", "µ": "u", "λ": "lambda ", "²": "^2", "≥": ">=", "≤": "<=", "→": "to"}
)


@cache
def font(size: int) -> Font:
    """The font that Pillow ships, `size` pixels high."""
    return ImageFont.load_default(size)


def letters(width: int) -> int:
    """Height of the letters in a picture of this width."""
    return max(13, round(width / 68))


def plain(text: str) -> str:
    """A text in the letters that the font has."""
    return text.translate(_PLAIN)


def faded(image: UInt8Array, strength: float = 0.7) -> UInt8Array:
    """A pale grey version, on which colours stand out."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    pale = 255 - (255 - grey) * strength
    return np.repeat(pale.astype(np.uint8)[..., None], 3, axis=2)


@dataclass(frozen=True, eq=False)
class _Label:
    text: str
    anchors: FloatArray
    colour: Colour


class Canvas:
    """A picture of an image, `width` pixels wide.

    Args:
        image: `(h, w, 3)` RGB.
        width: of the picture, pixels; its height follows.
        all_labels: write every label, if need be on top of lines; else those without room are left out.
        like: lines and letters are as large as in a picture of this width; None: of its own.
    """

    def __init__(
        self, image: UInt8Array, width: int, all_labels: bool = True, like: int | None = None
    ) -> None:
        self.scale = width / image.shape[1]
        size = (width, max(1, round(image.shape[0] * self.scale)))
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        self._pixels: UInt8Array = np.ascontiguousarray(cv2.resize(image, size, interpolation=how), np.uint8)
        self._taken: UInt8Array = np.zeros(size[::-1], np.uint8)
        self._labels: list[_Label] = []
        self._all_labels = all_labels
        self.pen = max(1, round((like or width) / 450))
        self._font = font(letters(like or width))

    def tint(self, mask: BoolArray, colour: Colour, cover: float = 1.0) -> None:
        """Colour the pixels of a `(h, w)` mask of the image."""
        height, width = self._taken.shape
        weights = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) * cover
        self.blend(weights, colour)

    def blend(self, weights: FloatArray, colours: Colour | FloatArray) -> None:
        """Mix colours in: weights `(H, W)` 0-1 and colours (one, or `(H, W, 3)`) of the picture's size."""
        share = weights[..., None]
        self._pixels = (self._pixels * (1 - share) + np.asarray(colours, np.float32) * share).astype(np.uint8)

    def resized(self, values: FloatArray | BoolArray) -> FloatArray:
        """A map `(h, w[, n])` of the image at the picture's size."""
        height, width = self._taken.shape
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(np.asarray(values, np.float32), (width, height), interpolation=how))

    def line(
        self, points: FloatArray, colour: Colour, width: float = 2.0, dashed: bool = False, halo: bool = True
    ) -> None:
        """A polyline `(n, 2)` x, y; `width` in pens."""
        if len(points) < 2:
            points = np.concatenate([points, points + 0.5]) if len(points) else points
        pieces = _dashes(points * self.scale, _DASH * self.pen) if dashed else [points * self.scale]
        self._strokes(pieces, False, colour, width, halo)

    def outline(self, region: Region, colour: Colour, width: float = 2.0, dashed: bool = False) -> None:
        """The edge of a region."""
        rings, _ = cv2.findContours(region.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for ring in rings:
            points = ring[:, 0] + np.array([region.x0, region.y0], float)
            closed = np.concatenate([points, points[:1]])
            self.line(closed, colour, width, dashed)

    def box(self, box: tuple[int, int, int, int], colour: Colour) -> None:
        """A rectangle `x0, y0, x1, y1`."""
        x0, y0, x1, y1 = box
        self.line(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], float), colour, 1.5)

    def dots(self, points: FloatArray, colour: Colour, radius: float = 2.0, hollow: bool = False) -> None:
        """Discs at `(n, 2)` x, y; `radius` in pens."""
        for centre in self._fixed(points * self.scale):
            size = round(radius * self.pen * 2**_SHIFT)
            cv2.circle(self._pixels, centre, size + 2**_SHIFT, WHITE, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(self._pixels, centre, size, colour, self.pen if hollow else -1, cv2.LINE_AA, _SHIFT)

    def arrow(self, start: FloatArray, end: FloatArray, colour: Colour) -> None:
        """An arrow between two points of the image."""
        tail, tip = self._fixed(np.stack([start, end]) * self.scale)
        cv2.arrowedLine(self._pixels, tail, tip, colour, self.pen, cv2.LINE_AA, _SHIFT, 0.4)

    def label(self, text: str, anchors: FloatArray, colour: Colour) -> None:
        """A text near one of `(n, 2)` points, written when the picture is finished."""
        if len(anchors):
            self._labels.append(_Label(plain(text), anchors * self.scale, colour))

    def finish(self) -> UInt8Array:
        """The picture `(H, W, 3)`, labels written."""
        picture = Image.fromarray(self._pixels)
        pencil = ImageDraw.Draw(picture)
        for label in self._labels:
            self._write(pencil, label)
        return np.array(picture)

    def _strokes(
        self, pieces: Iterable[FloatArray], closed: bool, colour: Colour, width: float, halo: bool
    ) -> None:
        lines = [np.array(self._fixed(piece), np.int32).reshape(-1, 1, 2) for piece in pieces]
        pen = max(1, round(width * self.pen))
        if halo:
            cv2.polylines(self._pixels, lines, closed, WHITE, pen + 2, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self._pixels, lines, closed, colour, pen, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self._taken, lines, closed, (1,), pen + 2, cv2.LINE_8, _SHIFT)

    @staticmethod
    def _fixed(points: FloatArray) -> list[tuple[int, int]]:
        return [(int(x), int(y)) for x, y in np.round(points * 2**_SHIFT)]

    def _write(self, pencil: ImageDraw.ImageDraw, label: _Label) -> None:
        left, top, right, bottom = (round(v) for v in pencil.textbbox((0, 0), label.text, self._font))
        size = np.array([right - left + 4, bottom - top + 4])
        place = self._free_place(label.anchors, size)
        if place is None:
            return
        corner, anchor = place
        (x, y), (width, height) = corner.tolist(), size.tolist()
        middle = corner + size / 2
        if float(np.abs(middle - anchor).max()) > float(size.max()):
            pencil.line([tuple(anchor.tolist()), tuple(middle.tolist())], fill=label.colour, width=1)
        pencil.rectangle([x, y, x + width - 1, y + height - 1], fill=WHITE)
        r, g, b = (round(0.8 * level) for level in label.colour)  # thin letters look paler than lines
        pencil.text((x + 2 - left, y + 2 - top), label.text, (r, g, b), self._font)
        self._taken[y : y + height, x : x + width] = 40

    def _free_place(
        self, anchors: FloatArray, size: NDArray[np.int_]
    ) -> tuple[NDArray[np.int_], FloatArray] | None:
        """Where a label hides least: its top left corner, and the anchor it belongs to."""
        most = np.maximum(np.array(self._taken.shape[::-1]) - size, 0)
        best: tuple[NDArray[np.int_], FloatArray] | None = None
        least = _CROWDED * float(size.prod()) if not self._all_labels else np.inf
        for distance in (1.0, 2.2, 4.0):
            for anchor in anchors:
                for angle in np.arange(0, 2 * np.pi, np.pi / 6):
                    aim = np.array([np.cos(angle), np.sin(angle)])
                    middle = anchor + aim * (size / 2 + 3 * self.pen) * distance
                    corner = np.clip(np.round(middle - size / 2), 0, most).astype(int)
                    x, y = corner
                    hidden = float(self._taken[y : y + size[1], x : x + size[0]].sum()) + distance
                    if hidden < least:
                        best, least = (corner, anchor), hidden
            if least < 0.05 * float(size.prod()):
                break
        return best


def spread(points: FloatArray, number: int = 9) -> FloatArray:
    """Some points of a polyline, the middle ones first: where its label may stand."""
    if len(points) <= number:
        return points
    order: Sequence[float] = sorted(np.linspace(0.04, 0.96, number), key=lambda at: abs(at - 0.5))
    return points[[round(at * (len(points) - 1)) for at in order]]


def _dashes(points: FloatArray, length: float) -> list[FloatArray]:
    """Every other stretch of `length` pixels."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    pieces = []
    for start in np.arange(0, max(arc[-1], length), 2 * length):
        inner = points[(arc > start) & (arc < start + length)]
        ends = [_at(points, arc, start), _at(points, arc, min(start + length, arc[-1]))]
        pieces.append(np.concatenate([ends[0][None], inner, ends[1][None]]))
    return pieces


def _at(points: FloatArray, arc: FloatArray, where: float) -> FloatArray:
    return np.array([np.interp(where, arc, points[:, 0]), np.interp(where, arc, points[:, 1])])
