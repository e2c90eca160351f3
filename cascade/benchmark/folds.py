"""Which images a method learns from, and which it is asked about: of the same kind, and of another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cascade.benchmark.annotations import read_annotations
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.splits import date_groups, date_in
from cascade.errors import AnnotationError
from cascade.geometry import ellipse_axes
from cascade.synthesis.dataset import ANNOTATIONS, write_dataset

_EVERY = 10
"""Of the images of a kind every tenth is kept for the best checkpoint, and another tenth for M_in."""
_SEED = 9_000_000  # far from the seeds of smears that a model may have learnt from
_LEAST = 4


@dataclass(frozen=True)
class Source:
    """Annotated images of one kind.

    Attributes:
        experts: their outlines.
        images: file name → image file.
    """

    experts: Sequence[Dataset]
    images: Mapping[str, Path]


@dataclass(frozen=True)
class Fold:
    """One way to divide.

    Attributes:
        name: what is left out, in words.
        inside: where the method learns.
        outside: where it has not been.
        learn, check: images of `inside` to learn from, and to choose the best checkpoint by.
        asked: images of `inside` that give M_in.
        left_out: images of `outside` that give M_out.
    """

    name: str
    inside: Source
    outside: Source
    learn: Sequence[str]
    check: Sequence[str]
    asked: Sequence[str]
    left_out: Sequence[str]

    @property
    def known(self) -> list[str]:
        """All images of the kind within, for methods that learn nothing."""
        return [*self.learn, *self.check, *self.asked]


def date_folds(source: Source, groups: int = 4) -> list[Fold]:
    """Leave one group of dates out: groups of consecutive dates, about as many images in each.

    Raises:
        AnnotationError: a name holds no date, or there are too few dates or images.
    """
    parts = date_groups(list(source.images), groups)
    folds = []
    for part in parts:
        others = [name for other in parts if other is not part for name in other]
        days = sorted(date_in(name) for name in part)
        name = f"{days[0]} to {days[-1]}" if days[0] != days[-1] else f"{days[0]}"
        folds.append(Fold(name, source, source, *_divided(others), left_out=part))
    return folds


def synthetic_fold(real: Source, count: int, folder: Path) -> Fold:
    """Learn from synthetic smears, asked about real ones.

    Smears have the size of the first real image and heads as long as the first expert's. They are drawn once;
    a folder that holds them already is taken as it is.

    Raises:
        AnnotationError: fewer than four smears are asked for, or the folder holds other ones.
        OutputError: the folder cannot be written.
    """
    path = folder / ANNOTATIONS
    if not path.is_file():
        first = next(iter(real.images))
        shape = real.experts[0].images[first].shape
        write_dataset(folder, count, _SEED, shape, head_length(real), suffix=".jpg")
    drawn = Dataset("synthesis", path, read_annotations(path))
    if len(drawn.images) != count:
        raise AnnotationError(
            f"{folder}: expected {count} synthetic smears, found {len(drawn.images)}; choose another folder"
        )
    source = Source([drawn], {name: folder / name for name in drawn.images})
    return Fold("synthetic to real", source, real, *_divided(list(drawn.images)), left_out=list(real.images))


def head_length(source: Source, images: int = 20) -> float:
    """Median long axis of the heads that the first expert outlined in the first images, pixels."""
    expert = source.experts[0]
    chosen = [expert.images[name] for name in source.images if name in expert.images][:images]
    heads = [sperm.head for image in chosen for sperm in image.sperm() if sperm.head.area]
    if not heads:
        raise AnnotationError(f"{expert.path}: expected outlined heads, found none; leave --synthetic out")
    return float(np.median([ellipse_axes(head)[2] for head in heads]))


def _divided(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """To learn from, to check by, to be asked about."""
    if len(names) < _LEAST:
        raise AnnotationError(
            f"expected at least {_LEAST} images to learn from and to be asked about, found {len(names)}; "
            "name more images"
        )
    every = min(_EVERY, len(names))
    check, asked = names[every // 2 :: every], names[every - 1 :: every]
    asked = [name for name in asked if name not in check]
    return [name for name in names if name not in check and name not in asked], list(check), asked
