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


Box = tuple[int, int, int, int]


def sperm_colours(sperm: Sequence[Sperm]) -> dict[int, Colour]:
    """RGB by sperm id, from 1.

    Six colours follow each other by id; a sperm takes another one where its own is taken by a sperm whose
    bounding box meets its box, so that tails which cross differ as long as six colours suffice.
    """
    chosen = apart([one.region.box for one in sperm], [one.sperm_id - 1 for one in sperm], len(_PALETTE))
    return {one.sperm_id: _PALETTE[colour] for one, colour in zip(sperm, chosen, strict=True)}


def apart(boxes: Sequence[Box], wishes: Sequence[int], colours: int) -> list[int]:
    """A number below `colours` for each box: the one wished for (modulo `colours`), or the next one that no
    earlier box which meets it has; the least taken where all are.
    """
    chosen: list[int] = []
    for number, (box, wish) in enumerate(zip(boxes, wishes, strict=True)):
        taken = Counter(chosen[other] for other in range(number) if _meet(box, boxes[other]))
        wheel = [(wish + step) % colours for step in range(colours)]
        chosen.append(min(wheel, key=lambda colour: taken[colour]))
    return chosen


def _meet(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
