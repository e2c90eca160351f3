"""Where flagella cross: counted on outlines of experts who draw a flagellum through its crossings.

Some experts end an outline where another flagellum lies on top and go on behind it: their outlines hardly
ever overlap, and crossings cannot be counted on them. Whether an expert draws through is seen in the data.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.benchmark.datasets import Dataset
from cascade.types import Region

_THROUGH = 0.5
"""An expert draws through who has at least this share of the crossings of the one who has most."""
_EIGHT = np.ones((3, 3), int)


def count_crossings(sperm: Sequence[AnnotatedSperm]) -> NDArray[np.int_]:
    """How often the flagellum of every sperm of one image crosses those of others, `(n,)`.

    A crossing is a connected piece of two flagella's common pixels through which both centrelines pass: two
    flagella that only touch along their edges do not cross, and two that meet twice cross twice.
    """
    counts = np.zeros(len(sperm), int)
    for i, one in enumerate(sperm):
        for j in range(i):
            here = _crossings(one, sperm[j])
            counts[i] += here
            counts[j] += here
    return counts


def _crossings(one: AnnotatedSperm, other: AnnotatedSperm) -> int:
    if not one.flagellum.intersection_area(other.flagellum):
        return 0
    first, second = one.flagellum.box, other.flagellum.box
    window = (
        max(first[0], second[0]),
        max(first[1], second[1]),
        min(first[2], second[2]),
        min(first[3], second[3]),
    )
    both = _crop(one.flagellum, window) & _crop(other.flagellum, window)
    labels, _ = ndimage.label(both, _EIGHT)
    passed = [set(np.unique(labels[_crop(each.centreline, window)]).tolist()) for each in (one, other)]
    return len((passed[0] & passed[1]) - {0})


def _crop(region: Region, window: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    x0, y0, x1, y1 = window
    return Region(region.mask, region.x0 - x0, region.y0 - y0).full((y1 - y0, x1 - x0))


def draws_through(experts: Sequence[Dataset], images: Collection[str] | None = None) -> dict[str, bool]:
    """Of every expert whether flagella are drawn through crossings.

    Args:
        experts: who outlined the images.
        images: file names to look at; all where None.

    Raises:
        AnnotationError: a mask is damaged.
    """
    counted = {
        expert.name: [
            count_crossings(image.sperm())
            for name, image in expert.images.items()
            if images is None or name in images
        ]
        for expert in experts
    }
    through = who_draws_through(counted)
    return {expert.name: expert.name in through for expert in experts}


def who_draws_through(crossings: Mapping[str, Iterable[NDArray[np.int_]]]) -> list[str]:
    """The experts whose flagella overlap where they cross.

    Args:
        crossings: expert → `count_crossings` of the same images.

    Returns:
        Names of those who have at least half as many crossings as the one who has most; all of them where
        nobody has any.
    """
    totals = {name: sum(int(counts.sum()) for counts in images) for name, images in crossings.items()}
    most = max(totals.values(), default=0)
    return [name for name, total in totals.items() if total >= _THROUGH * most]
