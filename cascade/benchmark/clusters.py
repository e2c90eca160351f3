"""Which outlines of several raters are the same sperm."""

from __future__ import annotations

from collections.abc import Sequence

from cascade.benchmark.annotations import AnnotatedSperm

SAME = 0.5
"""Least IoU of two outlines of one sperm."""

Cluster = dict[int, int]
"""Rater → which of the sperm outlined by that rater, both from 0."""


def same_sperm(raters: Sequence[Sequence[AnnotatedSperm]], least: float = SAME) -> list[Cluster]:
    """Put outlines of one image together, at most one of each rater: the pair that overlaps best comes first.

    Args:
        raters: what each of them outlined.
        least: IoU of whole sperm that two outlines need.

    Returns:
        Every outline in one cluster; those that nobody else drew stand alone.
    """
    links = sorted(
        (
            (iou, (a, i), (b, j))
            for b in range(len(raters))
            for a in range(b)
            for i, one in enumerate(raters[a])
            for j, other in enumerate(raters[b])
            if (iou := one.whole.iou(other.whole)) >= least
        ),
        key=lambda link: -link[0],
    )
    of = {(r, i): {r: i} for r, outlined in enumerate(raters) for i in range(len(outlined))}
    for _, one, other in links:
        first, second = of[one], of[other]
        if first is not second and not first.keys() & second.keys():
            first |= second
            of |= dict.fromkeys(second.items(), first)
    return list({id(cluster): dict(sorted(cluster.items())) for cluster in of.values()}.values())
