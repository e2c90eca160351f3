"""The size at which supervised methods see an image, and the way back."""

from __future__ import annotations

import cv2
import numpy as np

from cascade.types import FloatArray, UInt8Array

WORKING_SIDE = 640
"""Pixels of the long side of an image as supervised methods see it: the training images at half size."""


def working_scale(shape: tuple[int, ...]) -> float:
    """Working pixels per pixel of an image of `(height, width)`."""
    return WORKING_SIDE / max(shape[0], shape[1])


def shrunk(image: UInt8Array) -> UInt8Array:
    """`(height, width, 3)` at working size."""
    scale = working_scale(image.shape)
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def enlarged(maps: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Maps `(channels, h, w)` of a working image at the size of the image, `(channels, height, width)`."""
    size = shape[1], shape[0]
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in maps]
    return np.asarray(planes, np.float32).reshape(len(maps), *shape)
