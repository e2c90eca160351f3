"""Run-length masks of COCO files, decoded to regions with every run checked.

Runs go down the columns, left to right, and alternate outside, inside, outside, …; the compressed text is
that of the COCO API (`maskApi.c`). Its own decoder trusts its input; files from elsewhere deserve less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cascade.types import Region

Runs = NDArray[np.int64]

_MOST_DIGITS = 7  # of 5 bits: 35 bits a run, far beyond any image and far from overflow


def decode_runs(text: str) -> Runs:
    """Compressed text → run lengths.

    Every run is written in base 32, lowest digit first, as characters from `0`; bit 5 says that more digits
    follow; bit 4 of the last is the sign. From the fourth on it is the difference to the one two before.

    Raises:
        ValueError: the text is not of this form.
    """
    digits = np.frombuffer(text.encode("latin-1", "replace"), np.uint8).astype(np.int64) - 48
    if digits.size == 0 or digits.min() < 0 or digits.max() > 63 or digits[-1] & 32:
        raise ValueError("its compressed counts are damaged or cut short")
    last = np.flatnonzero(digits & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    sizes = last - first + 1
    if sizes.max() > _MOST_DIGITS:
        raise ValueError("its compressed counts hold a number that no image needs")
    place = np.arange(len(digits)) - np.repeat(first, sizes)
    runs: Runs = np.add.reduceat((digits & 31) << (5 * place), first)
    runs -= np.where(digits[last] & 16, np.int64(1) << (5 * sizes), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def region_from_runs(runs: Runs | Sequence[int], shape: tuple[int, int]) -> Region:
    """Run lengths of a `(height, width)` mask → region.

    Raises:
        ValueError: a run is negative, or together they do not fill the image.
    """
    lengths = np.asarray(runs, np.int64)
    if (lengths < 0).any() or lengths.sum() != shape[0] * shape[1]:
        raise ValueError(f"its runs cover {lengths.sum()} pixels, the image has {shape[0] * shape[1]}")
    end = np.cumsum(lengths)[1::2]
    start = end - lengths[1::2]
    start, end = start[end > start], end[end > start]
    if start.size == 0:
        return Region(np.zeros((0, 0), bool), 0, 0)
    height, left = shape[0], int(start[0]) // shape[0]
    columns = (int(end[-1]) - 1) // height - left + 1
    change = np.zeros(columns * height + 1, np.int8)
    change[start - left * height] += 1
    change[end - left * height] -= 1
    inside = np.cumsum(change[:-1], dtype=np.int8).astype(bool)
    return Region.from_full(inside.reshape(columns, height).T, left, 0)
