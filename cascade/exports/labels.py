"""Results as a label TIFF for ImageJ: values are sperm ids, overlapping parts lie in different channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from cascade.errors import OutputError
from cascade.types import Region, Result

_MOST = 2**16 - 1


def label_channels(result: Result) -> tuple[NDArray[np.uint16], list[str]]:
    """Labels in as few channels as a greedy choice finds: each part goes to the first in which it overlaps
    nothing.

    Returns:
        `(channels, h, w)` labels and the channels' names: `heads 1`, …, then `flagella 1`, …; at least one of
        each, so that a field without sperm is two empty channels.

    Raises:
        OutputError: an id that sixteen bits cannot hold.
    """
    largest = max((sperm.sperm_id for sperm in result.sperm), default=0)
    if largest > _MOST:
        raise OutputError(f"expected sperm ids up to {_MOST} for a label image, found {largest}")
    heads = [(sperm.sperm_id, sperm.head.region) for sperm in result.sperm if sperm.head is not None]
    tails = [(sperm.sperm_id, sperm.tail.region) for sperm in result.sperm if sperm.tail is not None]
    stacks = [_stack(parts, result.shape) for parts in (heads, tails)]
    names = [
        f"{kind} {number}"
        for kind, stack in zip(("heads", "flagella"), stacks, strict=True)
        for number in range(1, len(stack) + 1)
    ]
    return np.stack([channel for stack in stacks for channel in stack]), names


def write(path: Path, result: Result) -> None:
    """Write the channels as a compressed ImageJ hyperstack, with the pixel size where it is known.

    Raises:
        OutputError: as `label_channels`.
        OSError: the file cannot be written.
    """
    channels, names = label_channels(result)
    metadata = {
        "axes": "CYX",
        "mode": "grayscale",
        "Labels": names,
        "min": 0.0,
        "max": float(max(1, channels.max())),
    }
    size = result.pixel_size
    tifffile.imwrite(
        path,
        channels,
        imagej=True,
        compression="zlib",
        resolution=(1 / size, 1 / size) if size else None,
        metadata=metadata | ({"unit": "um"} if size else {}),
    )


def _stack(parts: list[tuple[int, Region]], shape: tuple[int, int]) -> list[NDArray[np.uint16]]:
    channels = [np.zeros(shape, np.uint16)]
    for sperm_id, region in parts:
        inside = Region.from_full(region.full(shape))
        x0, y0, x1, y1 = inside.box
        window = np.s_[y0:y1, x0:x1]
        free = next((c for c in channels if not c[window][inside.mask].any()), None)
        if free is None:
            free = np.zeros(shape, np.uint16)
            channels.append(free)
        free[window][inside.mask] = sperm_id
    return channels
