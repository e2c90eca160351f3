"""Stored samples of any depth → eight bits a channel, RGB on white, as a viewer would show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cascade.types import UInt8Array

# Depths of real cameras. Twelve-bit cameras store their values in sixteen-bit files: the part of the range
# that is in use decides, else such an image would be sixteen times too dark.
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)


def to_uint8(samples: NDArray[Any], bits: int | None = None) -> UInt8Array:
    """Scale samples to 0–255.

    Args:
        samples: any shape; bool, integer or float.
        bits: the depth really in use, where the file says so; else the smallest camera depth that holds the
            values.

    Returns:
        The same shape. Eight bits stay as they are; bool becomes 0 and 255; floats within 0–1 are fractions
        of white, floats within 0–255 are grey levels; whatever has negative or huge values is stretched from
        its least to its greatest. Samples that are not finite (gaps between stitched tiles) become white, as
        empty slide is.

    Raises:
        ValueError: complex samples, or not one finite sample.
    """
    kind = samples.dtype.kind
    if samples.dtype == np.uint8:
        return np.asarray(samples, np.uint8)
    if kind == "b":
        return np.where(samples, 255, 0).astype(np.uint8)
    if kind not in "uif":
        raise ValueError(f"expected samples of type bool, integer or float, found {samples.dtype}")
    if samples.size == 0:
        return samples.astype(np.uint8)
    if kind == "f":
        return _float_to_uint8(samples)
    low, high = int(samples.min()), int(samples.max())
    if low < 0:
        return _stretch(samples, low, high)
    if bits is None or high >= 2**bits:
        bits = next(depth for depth in (*_DEPTHS, 64) if high < 2**depth)
    return _scale(samples, 255 / (2**bits - 1))


def over_white(colours: UInt8Array, alpha: UInt8Array, premultiplied: bool = False) -> UInt8Array:
    """Lay a transparent picture on white.

    Args:
        colours: `(h, w, 3)`.
        alpha: `(h, w)`, 255 opaque.
        premultiplied: the colours have been multiplied by alpha already.
    """
    cover = alpha[..., None].astype(np.uint16)
    ink = colours.astype(np.uint16) * (255 if premultiplied else cover)
    mixed = ink + 255 * (255 - cover.astype(np.uint32))
    rounded: UInt8Array = np.minimum((mixed + 127) // 255, 255).astype(np.uint8)
    return rounded


def to_rgb(samples: UInt8Array, alpha: bool = False, premultiplied: bool = False) -> UInt8Array:
    """`(h, w)` or `(h, w, s)` samples → `(h, w, 3)`.

    One or two samples are grey, three or more RGB. The sample that follows the colours is dropped, or, when
    `alpha` says that it is their opacity, they are laid on white.
    """
    if samples.ndim == 2:
        samples = samples[..., None]
    colours = 3 if samples.shape[2] >= 3 else 1
    rgb = np.ascontiguousarray(np.broadcast_to(samples[..., :colours], (*samples.shape[:2], 3)))
    if alpha and samples.shape[2] > colours:
        return over_white(rgb, samples[..., colours], premultiplied)
    return rgb


def picture_to_rgb(picture: Image.Image) -> UInt8Array:
    """Decode a picture of any of Pillow's modes: `(h, w, 3)`, transparency laid on white.

    Raises:
        OSError: the data are damaged or cut short.
    """
    picture.load()
    if picture.mode.startswith(("I", "F")):
        return to_rgb(to_uint8(np.asarray(picture)))
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"))
        return over_white(rgba[..., :3], rgba[..., 3])
    return np.array(picture.convert("RGB"))


def orient(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a stored picture the way its EXIF orientation (1–8) says; other values change nothing."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _scale(samples: NDArray[Any], factor: float) -> UInt8Array:
    if (
        samples.dtype == np.uint16
    ):  # by table: no copy in floating point of a picture that may fill the memory
        table = np.minimum(np.arange(65536) * factor + 0.5, 255).astype(np.uint8)
        return np.asarray(table[samples], np.uint8)
    return np.minimum(samples * np.float64(factor) + 0.5, 255).astype(np.uint8)


def _stretch(samples: NDArray[Any], low: float, high: float) -> UInt8Array:
    spread = max(high - low, np.finfo(np.float64).tiny)
    return ((samples.astype(np.float64) - low) / spread * 255 + 0.5).astype(np.uint8)


def _float_to_uint8(samples: NDArray[Any]) -> UInt8Array:
    finite = np.isfinite(samples)
    if not finite.any():
        raise ValueError("expected at least one finite sample, found none")
    low, high = (
        float(samples.min(where=finite, initial=np.inf)),
        float(samples.max(where=finite, initial=-np.inf)),
    )
    filled = samples if finite.all() else np.where(finite, samples, high)
    if low < 0 or high >= 2**16:
        out = _stretch(filled, low, high)
    elif high <= 1:
        out = _scale(filled, 255)
    else:
        bits = next(depth for depth in _DEPTHS if high < 2**depth)
        out = _scale(filled, 255 / (2**bits - 1))
    out[~finite] = 255
    return out
