"""Image → normalised image and foreground.

Colours are taken relative to the image's own background: the slow variation of light and tint is divided out,
so that the background is `WHITE` everywhere, whatever the lamp, the stain or the camera's white balance.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.special import expit
from skimage.filters import threshold_otsu

from cascade.sam.protocol import DenseMaps
from cascade.types import BoolArray, FloatArray, UInt8Array

WHITE = 240
"""Level of the background after normalisation; what later stages paint over what they have understood."""
_BACKGROUND_WIDTH = 160
_BACKGROUND_WINDOW = 51


def normalise(image: UInt8Array, light: FloatArray | None = None) -> UInt8Array:
    """Divide out the background: `(height, width, 3)` RGB in, the same out, background at `WHITE`.

    Args:
        image: as photographed.
        light: its `background`, where that is known already.
    """
    light = background(image) if light is None else light
    scaled = image.astype(np.float32) * (WHITE / np.maximum(light, 1.0))
    return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)


def background(image: UInt8Array) -> FloatArray:
    """`(height, width, 3)`: what an RGB image would show without sperm.

    That is the median over windows of about a third of the image's width: no sperm fills one.
    """
    height, width = image.shape[:2]
    factor = min(1.0, _BACKGROUND_WIDTH / width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    median = np.stack([cv2.medianBlur(channel, _BACKGROUND_WINDOW) for channel in cv2.split(small)], -1)
    smooth = cv2.GaussianBlur(median.astype(np.float32), (0, 0), _BACKGROUND_WINDOW / 4)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def paint_white(image: UInt8Array, mask: BoolArray) -> UInt8Array:
    """A copy of a normalised image with `mask` (`(height, width)`) turned to background."""
    out = image.copy()
    out[mask] = WHITE
    return out


def grown(mask: BoolArray, radius: float) -> BoolArray:
    """A mask thickened by `radius` pixels."""
    reach = max(1, round(radius))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def foreground(normalised: UInt8Array, head_length: float) -> DenseMaps:
    """Background whitening, for models without dense maps of their own.

    What absorbs light is foreground (Otsu on the strength of the stain). What stays under an opening with a
    disc wider than any tail is head, the rest of it tail; there is no direction.

    Args:
        normalised: `(height, width, 3)` RGB, background at `WHITE`.
        head_length: pixels.
    """
    stain = np.clip(WHITE - normalised.astype(np.float32), 0, None).max(-1)
    stain = cv2.GaussianBlur(stain, (0, 0), max(0.01 * head_length, 0.5))
    broad = _opened(stain, 0.3 * head_length)
    head_level = max(float(threshold_otsu(broad)), 25.0) if broad.max() > broad.min() else 255.0
    line = np.clip(stain - broad, 0, None)
    strong = line[line > 4.0]
    tail_level = (
        max(float(threshold_otsu(strong)) * 0.6, 6.0)
        if strong.size and strong.max() > strong.min()
        else 255.0
    )
    head = expit((broad - head_level) / 6)
    tail = expit((line - tail_level) / 2) * (head < 0.5)
    return DenseMaps(head, tail, np.zeros((*head.shape, 2), np.float32))


def _opened(stain: FloatArray, diameter: float) -> FloatArray:
    reach = max(1, round(diameter / 2))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.morphologyEx(stain, cv2.MORPH_OPEN, disc), np.float32)
