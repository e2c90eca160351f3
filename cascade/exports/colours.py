"""Colours of sperm that colour-blind people can tell apart, and that stand out on a stained smear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cascade.types import Sperm

# The qualitative palette of Okabe and Ito (Color Universal Design, 2008) without black, which is taken for
# stain, and yellow, which is lost on a pale slide; in an order that puts unlike colours beside each other.
_PALETTE = (
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (86, 180, 233),  # sky blue
    (213, 94, 0),  # vermillion
)

Colour = tuple[int, int, int]


def sperm_colours(sperm: Sequence[Sperm]) -> dict[int, Colour]:
    """RGB by sperm id, from 1.

    Six colours follow each other by id; a sperm takes another one where its own is taken by a sperm whose
    bounding box meets its box, so that tails which cross differ as long as six colours suffice.
    """
    boxes: dict[int, tuple[int, int, int, int]] = {}
    chosen: dict[int, int] = {}
    for one in sperm:
        box = one.region.box
        taken = Counter(chosen[other] for other, there in boxes.items() if _meet(box, there))
        wheel = [(one.sperm_id - 1 + step) % len(_PALETTE) for step in range(len(_PALETTE))]
        chosen[one.sperm_id] = min(wheel, key=lambda colour: taken[colour])
        boxes[one.sperm_id] = box
    return {sperm_id: _PALETTE[colour] for sperm_id, colour in chosen.items()}


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
