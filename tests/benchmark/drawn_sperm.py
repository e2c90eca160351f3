"""Sperm of rectangles, in memory: answers one can count."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cascade.benchmark.annotations import AnnotatedImage, AnnotatedSperm
from cascade.benchmark.datasets import Dataset
from cascade.types import Region

Box = tuple[int, int, int, int]
SHAPE = (60, 100)


def block(x0: int, y0: int, x1: int, y1: int) -> Region:
    """All pixels from x0, y0 up to x1, y1."""
    return Region(np.ones((y1 - y0, x1 - x0), bool), x0, y0)


def drawn(score: float = 1.0, **parts: Box) -> AnnotatedSperm:
    """A sperm with these parts."""
    return AnnotatedSperm(score, {name: block(*box) for name, box in parts.items()})


def sperm(x: int, y: int, length: int = 30, score: float = 1.0) -> AnnotatedSperm:
    """A head of 10 × 10 pixels and a tail of `length` × 5 behind it."""
    return drawn(score, head=(x, y, x + 10, y + 10), tail=(x + 10, y + 3, x + 10 + length, y + 8))


def dataset(
    name: str, images: Mapping[str, Sequence[AnnotatedSperm]], shape: tuple[int, int] = SHAPE
) -> Dataset:
    """What one rater outlined."""
    return Dataset(
        name, Path(name), {image: AnnotatedImage.of(shape, found, name) for image, found in images.items()}
    )
