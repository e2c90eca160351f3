"""What each stage contributes: the pipeline built up stage by stage, and with one thing left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cascade.benchmark.tables import basis, table
from cascade.benchmark.trials import Variant
from cascade.config import CS3Config

_FIGURES = {
    "mIoU": "mIoU",
    "mDice": "mDice",
    "F1": "F1",
    "PQ": "PQ",
    "AP50": "AP50",
    "head": "head IoU",
    "flagellum": "flagellum IoU",
    "recall": "centreline recall",
    "precision": "centreline precision",
}
"""Column → figure of `cs3 score`."""
_NOTE = """\
The first rows add one stage after the other. Until the matching rules are added, whatever lies nearest is
joined: ends of tails and of heads' long axes within the matching distance, at any angle, the closest first.
The last rows leave one thing out of the whole. *head* and *flagellum* are IoU, *recall* and *precision*
those of the centreline.
"""


def variants(config: CS3Config) -> list[Variant]:
    """Every variant: stages added up, then the whole configuration less one thing at a time."""
    nearest = {"use_direction": False, "use_ownership": False}
    one_round = {"rounds": min(1, config.tails.rounds)}
    unjoined = changed(config, joining={"enabled": False})
    cascade = changed(unjoined, knots={"enabled": False})
    built_up = {
        "S1": changed(cascade, tails={"rounds": 0}),
        "+ cascade, one round": changed(cascade, tails=one_round),
        "+ further rounds": cascade,
        "+ knots": unjoined,
    }
    whole_less_one = {
        "without further rounds": changed(config, tails=one_round),
        "without knots": changed(config, knots={"enabled": False}),
        "without direction": changed(
            config, tails={"use_direction": False}, matching={"use_direction": False}
        ),
        "without ownership": changed(config, matching={"use_ownership": False}),
    }
    return [
        *(Variant(name, changed(one, matching=nearest), rules=False) for name, one in built_up.items()),
        Variant("+ matching rules", unjoined),
        Variant("+ joining (all)", config),
        *(Variant(name, one) for name, one in whole_less_one.items()),
    ]


def changed(config: CS3Config, **stages: Mapping[str, Any]) -> CS3Config:
    """A configuration with some values changed, by stage.

    Raises:
        ConfigError: an unknown key, or a value out of range.
    """
    values = config.model_dump()
    for stage, own in stages.items():
        values[stage] = {**values[stage], **own}
    return CS3Config.parse(values)


def as_markdown(document: Mapping[str, Any]) -> str:
    """Figures and time of every variant, from what `compare` returns."""
    entries = document["variants"]
    figures = table(
        ["variant", *_FIGURES, "tails", "complete", "s"],
        [
            [
                entry["name"],
                *(f"{entry['figures'][name]:.3f}" for name in _FIGURES.values()),
                *(f"{entry['per_image'][name]:.1f}" for name in ("tails", "complete")),
                f"{entry['seconds']['all']:.2f}",
            ]
            for entry in entries
        ],
    )
    stages = list(entries[0]["seconds"])
    seconds = table(
        ["seconds", *stages],
        [[entry["name"], *(f"{entry['seconds'][name]:.2f}" for name in stages)] for entry in entries],
    )
    return f"{basis(document)}\n{_NOTE}\n{figures}\n{seconds}"
