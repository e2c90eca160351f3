"""Prompts on the foreground against SAM's dense grid: what either costs, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.benchmark.tables import basis, table
from cascade.config import CS3Config
from cascade.costs.trials import Variant

_NOTE = """\
Counts are means an image: prompts decoded for heads and for tails, in how many batches, images (and knots
cut out of them) encoded, sperm with a head and with a tail. The grid is asked in every round and for
joining. In either variant knots, small pictures of one tangle each, are asked about along their skeletons.
"""


def variants(config: CS3Config) -> list[Variant]:
    """The configuration with prompts on the foreground, and with the dense grid for heads and tails."""
    side = config.tails.grid_side
    return [
        Variant("foreground", _asking(config, "foreground")),
        Variant(f"grid {side}×{side}", _asking(config, "grid", side)),
    ]


def _asking(config: CS3Config, prompts: str, side: int | None = None) -> CS3Config:
    own = {"prompts": prompts} | ({} if side is None else {"grid_side": side})
    return config.changed(heads=own, tails=own)


def as_markdown(document: Mapping[str, Any]) -> str:
    """Cost and yield of either way, from what `compare` returns."""
    rows = []
    for entry in document["variants"]:
        counts, figures = entry["per_image"], entry["figures"]
        names = ("head_prompts", "tail_prompts", "batches", "encodings", "heads", "tails", "complete")
        rows.append(
            [
                entry["name"],
                *(f"{counts[name]:.1f}" for name in names),
                *(f"{figures[name]:.3f}" for name in ("mIoU", "F1", "head IoU", "flagellum IoU")),
                f"{entry['seconds']['all']:.2f}",
            ]
        )
    columns = ["prompts", "for heads", "for tails", "batches", "encodings", "heads", "tails", "complete"]
    figures_table = table([*columns, "mIoU", "F1", "head IoU", "flagellum IoU", "s"], rows)
    return f"{basis(document)}\n{_NOTE}\n{figures_table}"
