"""Candidates with their witnesses and whether they are right, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from cascade.types import BoolArray, FloatArray

KINDS = ("at_junction", "across_gap", "joins", "pairs", "scores")
"""`joins` are judged with the weights of gaps; they are kept apart to tell how well those fit them."""


@dataclass(frozen=True)
class Candidate:
    """One link, pair or sperm: its witnesses, and whether it is right."""

    witnesses: Sequence[float]
    right: bool


Found = dict[str, list[Candidate]]
"""Kind → the candidates of one image."""


@dataclass(frozen=True, eq=False)
class Table:
    """Candidates of one kind.

    Attributes:
        witnesses: `(n, k)`.
        right: `(n,)`.
        image: `(n,)` number of the image that each comes from.
    """

    witnesses: FloatArray
    right: BoolArray
    image: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.right)

    def of(self, chosen: BoolArray) -> Table:
        """Some of the candidates."""
        return Table(self.witnesses[chosen], self.right[chosen], self.image[chosen])


def tabulate(images: Iterable[Sequence[Candidate]]) -> Table:
    """The candidates of several images, in their order."""
    rows = [(one.witnesses, one.right, n) for n, found in enumerate(images) for one in found]
    if not rows:
        return Table(np.zeros((0, 0)), np.zeros(0, bool), np.zeros(0))
    seen, right, image = zip(*rows, strict=True)
    return Table(np.array(seen, float), np.array(right, bool), np.array(image, float))
