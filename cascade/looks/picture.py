"""Small pictures of a link between two lines, or of a tail at a head, all at one scale and turned one way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cascade.types import BoolArray, FloatArray, Region, UInt8Array

UNIT = 32.0
"""Pixels of a small picture per head length."""
SIDE = 96
"""Pixels a side of a small picture: three head lengths."""
CHANNELS = 7
"""Darkness, flagellum seen, heads, all lines; first line or head, second line; what is in view."""
_DARKEST = 128.0
"""Darkness (0–255) that fills 100 of 255 steps."""
MOST_ENLARGED, MOST_PIXELS = 2.0, 12_000_000
"""No image is enlarged by more, nor to more pixels, however short its heads: it would cost memory."""
_SHIFT = 4
_FULL_GAP_HL = 0.5
"""From this width on, a gap alone says which way a small picture is turned; else the lines at it do, too."""
_FAR_HL = 0.6


@dataclass(frozen=True, eq=False)
class Canvas:
    """What lies under all small pictures of one image.

    Attributes:
        head_length: pixels of the image.
        scale: pixels of the canvas per pixel of the image: `UNIT` a head length, or what is not too many.
        maps: `(h, w, 3)` darkness, probability of flagellum, heads.
    """

    head_length: float
    scale: float
    maps: FloatArray

    @classmethod
    def of(cls, dark: FloatArray, seen: FloatArray, heads: BoolArray, head_length: float) -> Canvas:
        """Shrink what is known of an image.

        Args:
            dark: `(height, width)` darkness of the normalised image.
            seen: `(height, width)` probability of flagellum.
            heads: `(height, width)` pixels of all heads.
            head_length: pixels.
        """
        height, width = dark.shape
        scale = min(UNIT / head_length, MOST_ENLARGED, math.sqrt(MOST_PIXELS / (height * width)))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        layers = [np.clip(dark / _DARKEST, 0, 2), seen, heads]
        small = [cv2.resize(layer.astype(np.float32), size, interpolation=method) for layer in layers]
        return cls(head_length, scale, np.dstack(small))

    def with_lines(self, lines: Sequence[FloatArray]) -> FloatArray:
        """`(h, w, 4)` the maps, and below them all lines of the image, `(n, 2)` each."""
        drawn = np.zeros(self.maps.shape[:2], np.uint8)
        for line in lines:
            _draw(drawn, self._scaled(line), np.eye(2, 3))
        return np.dstack([self.maps, (drawn / 255).astype(np.float32)])

    def of_link(self, layers: FloatArray, first: FloatArray, second: FloatArray) -> UInt8Array:
        """The small picture of a link between the first points of two lines, `(CHANNELS, SIDE, SIDE)`.

        Args:
            layers: from `with_lines`.
            first, second: `(n, 2)` and `(m, 2)` points, from the link on.
        """
        reach = round(_FAR_HL * self.head_length)
        far = second[min(len(second) - 1, reach)] - first[min(len(first) - 1, reach)]
        way = _way(second[0] - first[0], far, self.head_length)
        out, view = self._view(layers, (first[0] + second[0]) / 2, way)
        _draw(out[4], self._scaled(first), view)
        _draw(out[5], self._scaled(second), view)
        return out

    def of_pair(
        self, layers: FloatArray, head: Region, begins: FloatArray, leaves: FloatArray, line: FloatArray
    ) -> UInt8Array:
        """The small picture of a tail at a head, `(CHANNELS, SIDE, SIDE)`.

        Args:
            layers: from `with_lines`.
            head: pixels of the head.
            begins: `(2,)` where on the head the tail would begin.
            leaves: `(2,)` unit vector out of the head there.
            line: `(n, 2)` the tail, from its end near the head on.
        """
        way = _way(line[0] - begins, leaves, self.head_length)
        out, view = self._view(layers, (begins + line[0]) / 2, way)
        outlines, _ = cv2.findContours(head.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            corners = self._scaled(outline[:, 0] + np.array([head.x0, head.y0]))
            cv2.fillPoly(out[4], [_fixed(corners, view)], [255], cv2.LINE_AA, _SHIFT)
        _draw(out[5], self._scaled(line), view)
        return out

    def _scaled(self, points: FloatArray) -> FloatArray:
        scaled: FloatArray = (points + 0.5) * self.scale - 0.5
        return scaled

    def _view(self, layers: FloatArray, middle: FloatArray, way: FloatArray) -> tuple[UInt8Array, FloatArray]:
        """A small picture around a place with `way` to the right, and the transform that leads there."""
        turn = np.array([[way[0], way[1]], [-way[1], way[0]]])
        view = np.hstack([turn, ((SIDE - 1) / 2 - turn @ self._scaled(middle))[:, None]])
        cut = cv2.warpAffine(layers, view, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        inside = np.ones(layers.shape[:2], np.uint8)
        out = np.zeros((CHANNELS, SIDE, SIDE), np.uint8)
        out[:4] = np.clip(cut.transpose(2, 0, 1) * np.array([100, 255, 255, 255]).reshape(4, 1, 1), 0, 255)
        out[6] = 255 * cv2.warpAffine(inside, view, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
        return out, view


def _way(step: FloatArray, along: FloatArray, head_length: float) -> FloatArray:
    """Unit vector that a small picture shows to the right: across a wide gap, along lines at a narrow one."""
    gap, length = float(np.hypot(*step)), float(np.hypot(*along))
    share = min(gap / (_FULL_GAP_HL * head_length), 1.0)
    way = share * step / max(gap, 1e-6) + (1 - share) * along / max(length, 1e-6)
    size = float(np.hypot(*way))
    return way / size if size > 1e-3 else np.array([1.0, 0.0])


def _draw(picture: UInt8Array, points: FloatArray, view: FloatArray) -> None:
    cv2.polylines(picture, [_fixed(points, view)], False, [255], 2, cv2.LINE_AA, _SHIFT)


def _fixed(points: FloatArray, view: FloatArray) -> NDArray[np.int32]:
    """Points under a transform, in OpenCV's fixed point."""
    moved = points @ view[:, :2].T + view[:, 2]
    fixed: NDArray[np.int32] = np.round(moved * 2**_SHIFT).astype(np.int32)
    return fixed
