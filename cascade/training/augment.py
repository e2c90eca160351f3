"""What an image of a smear could have looked like: turned, mirrored, nearer, stained or lit otherwise.

A smear has no up or down, so all eight ways to lay it are as likely. Scale is changed in half of the samples
alone: the other half keep the pixels as they are when predicting.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cascade.preprocess import WHITE
from cascade.types import BoolArray, FloatArray, Region, UInt8Array

_SCALED = 0.5
_SCALES = (0.8, 1.25)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the pixels of an image go.

    Attributes:
        matrix: `(2, 3)`: x, y in the image → x, y in the sample.
        shape: `(height, width)` of the sample.
    """

    matrix: FloatArray
    shape: tuple[int, int]

    def picture(self, image: UInt8Array) -> UInt8Array:
        """An RGB image placed; background beyond its edge."""
        size = self.shape[1], self.shape[0]
        border = (WHITE, WHITE, WHITE)
        out = cv2.warpAffine(image, self.matrix, size, flags=cv2.INTER_LINEAR, borderValue=border)
        return np.asarray(out, np.uint8)

    def mask(self, region: Region) -> BoolArray:
        """A region placed: `shape`, bool."""
        if not region.area:
            return np.zeros(self.shape, bool)
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ [region.x0, region.y0]
        size = self.shape[1], self.shape[0]
        covered = cv2.warpAffine(region.mask.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
        return np.asarray(covered >= 0.5)

    def paint(self, region: Region, canvas: FloatArray, value: float) -> None:
        """Raise `canvas` (`shape`, float32) to `value` where a region lies once placed."""
        if not region.area:
            return
        x0, y0, x1, y1 = region.box
        corners = self.matrix @ np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1, 1, 1, 1]], float)
        left, top = np.maximum(np.floor(corners.min(1)).astype(int) - 1, 0)
        right, bottom = np.minimum(np.ceil(corners.max(1)).astype(int) + 1, self.shape[::-1])
        if left >= right or top >= bottom:
            return
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ [x0, y0] - [left, top]
        size = int(right - left), int(bottom - top)
        covered = cv2.warpAffine(region.mask.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
        there = canvas[top:bottom, left:right]
        np.maximum(there, np.where(covered >= 0.5, value, 0), out=there, casting="unsafe")


def place(
    image_shape: tuple[int, ...],
    shape: tuple[int, int] | None,
    rng: np.random.Generator,
    turned: bool | None = None,
) -> Placement:
    """One of the eight ways to lay an image, at a scale near 1, and where to cut it.

    Args:
        image_shape: `(height, width, …)` of the image.
        shape: of the sample; None: that of the image as laid, nothing cut.
        rng: decides.
        turned: whether height and width change places; None: as likely as not.
    """
    height, width = image_shape[:2]
    swap = bool(rng.random() < 0.5)
    swap = swap if turned is None else turned
    scale = float(np.exp(rng.uniform(*np.log(_SCALES)))) if rng.random() < _SCALED else 1.0
    linear = np.array([[0.0, 1.0], [1.0, 0.0]]) if swap else np.eye(2)
    linear = np.diag(rng.choice([-1.0, 1.0], 2)) @ linear * scale
    laid = (width, height) if swap else (height, width)
    shape = shape or laid
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    # Where the image is larger than the sample any part may be cut out, else it lies anywhere inside.
    room = np.abs(np.array([laid[1], laid[0]]) * scale - np.array([shape[1], shape[0]])) / 2
    shift = rng.uniform(-room, room)
    offset = middle + shift - linear @ centre
    if scale == 1.0:
        offset = np.round(offset)  # whole pixels: nothing is blurred
    return Placement(np.concatenate([linear, offset[:, None]], 1), (int(shape[0]), int(shape[1])))


def restain(image: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Another stain, exposure and focus of the same field."""
    absorbed = WHITE - image.astype(np.float32)
    absorbed *= (rng.uniform(0.7, 1.35) * rng.uniform(0.85, 1.15, 3)).astype(np.float32)
    if rng.random() < 0.2:  # hues of the stain mixed
        mixed = absorbed.mean(-1, keepdims=True)
        absorbed += (mixed - absorbed) * np.float32(rng.uniform(0, 0.7))
    out = WHITE + np.float32(rng.uniform(-8, 8)) - absorbed
    if rng.random() < 0.25:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 1.0))), np.float32)
    if rng.random() < 0.3:
        out = out + rng.standard_normal(out.shape, dtype=np.float32) * np.float32(rng.uniform(0.5, 4.0))
    return np.asarray(np.clip(out, 0, 255), np.uint8)
