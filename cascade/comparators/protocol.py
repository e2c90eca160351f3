"""What a method is: it finds sperm in an image. Some methods can be taught, on annotated images.

To add one, write a class with `name`, `identity` and `predict`; docs/comparators.md shows one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cascade.exports.coco import CATEGORIES
from cascade.training.watcher import Watcher
from cascade.types import Region, UInt8Array

PARTS: tuple[str, ...] = tuple(category["name"] for category in CATEGORIES)
"""Names that a part may have: those of the COCO categories that CS3 writes."""


@dataclass(frozen=True, eq=False)
class FoundSperm:
    """One sperm that a method found.

    Attributes:
        parts: category name (`PARTS`) → its pixels, none of them empty. An undivided head is `head`, an
            undivided flagellum `tail`. Parts of different sperm may share pixels.
        score: 0–1, how sure the method is.

    Raises:
        ValueError: no part, an unknown or empty part, or a score out of range.
    """

    parts: Mapping[str, Region]
    score: float

    def __post_init__(self) -> None:
        unknown = [name for name in self.parts if name not in PARTS]
        if unknown or not self.parts:
            raise ValueError(
                f"a sperm has one or more of the parts {', '.join(PARTS)}, got {unknown or 'none'}"
            )
        for name, region in self.parts.items():
            if not isinstance(region, Region) or not region.area:
                raise ValueError(f"the part {name!r} is a Region with pixels, got {region!r}; leave it out")
        if not (math.isfinite(self.score) and 0 <= self.score <= 1):
            raise ValueError(f"a sperm's score is between 0 and 1, got {self.score}")


class Method(Protocol):
    """Finds sperm in images; holds no state of an image."""

    @property
    def name(self) -> str:
        """In tables and file names, such as "unet"."""

    @property
    def identity(self) -> str:
        """Hash of everything that its predictions depend on beside the image: code, settings, weights."""

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first; an empty list where none is."""


@dataclass(frozen=True)
class TrainingData:
    """Annotated images to learn from.

    Attributes:
        truths: COCO files, one an expert, of the same images.
        images: file name in the truths → image file, to learn from.
        held_out: the same, of images that are not learnt from: the validation figure is measured on them, and
            the best checkpoint is the one that does best there.
    """

    truths: tuple[Path, ...]
    images: Mapping[str, Path]
    held_out: Mapping[str, Path]


class Trainable(Protocol):
    """A method that learns from annotated images, as `cascade.training.supervised` does."""

    @property
    def name(self) -> str:
        """Of the method whose weights come out."""

    def train(self, data: TrainingData, out: Path, watcher: Watcher, stop: Callable[[], bool]) -> Path | None:
        """Train, or go on where an earlier run in `out` ended.

        Args:
            data: to learn from.
            out: folder of checkpoint, learning curve and weights.
            watcher: told what happens.
            stop: asked after every step; where it says so, the run is saved and ends early.

        Returns:
            The weights, ready for `load_method(name, weights=…)`; None after a stop.

        Raises:
            ConfigError: the folder holds a checkpoint of other settings, or one that has gone further.
            ModelError: the checkpoint is damaged, or the training diverged.
            OutputError: the folder cannot be written, or holds weights that a new training would replace.
        """
