"""`generalisation.json`: figures within and outside every fold, and the gap between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from cascade.benchmark.results import Entry, Figure, Number
from cascade.benchmark.tables import table
from cascade.exports.atomic import whole_text

FORMAT: Literal[1] = 1
_SHOWN = ("mIoU", "F1", "flagellum IoU", "clDice")


class Images(Entry):
    """The images of a fold, by what they are for."""

    learn: list[str]
    check: list[str]
    """To choose the best checkpoint by."""
    asked: list[str]
    """M_in of methods that learn; those that do not are asked about `learn` and `check` as well."""
    left_out: list[str]
    """M_out."""


class FoldEntry(Entry):
    """One way to divide the images."""

    name: str
    experts: list[str]
    images: Images


class Gap(Entry):
    """One method in one fold."""

    fold: str
    inside: dict[str, Figure]
    """M_in."""
    outside: dict[str, Figure]
    """M_out."""
    gap: dict[str, Figure]
    """ΔM = M_in − M_out."""


class Spread(Entry):
    """M_out over the folds."""

    lowest: float
    highest: float
    sd: Number


class MethodGap(Entry):
    """One method in all folds."""

    name: str
    learns: bool
    """Taught anew for every fold."""
    folds: list[Gap]
    gap: dict[str, Figure]
    """Mean over the folds."""
    spread: dict[str, Spread]


class Generalisation(Entry):
    """Everything about one run of `cs3 generalise`."""

    format: Literal[1] = FORMAT
    versions: dict[str, str]
    device: str
    resamples: int
    folds: list[FoldEntry]
    methods: list[MethodGap]


def write_generalisation(out: Path, results: Generalisation) -> None:
    """Write `generalisation.json` and `generalisation.md`.

    Raises:
        OutputError: the folder cannot be written.
    """
    with whole_text(out / "generalisation.md") as handle:
        handle.write(markdown(results))
    with whole_text(out / "generalisation.json") as handle:
        json.dump(results.model_dump(mode="json"), handle, indent=1, allow_nan=False)
        handle.write("\n")


def markdown(results: Generalisation) -> str:
    """Gaps of every method, and M_in and M_out of every fold."""
    shown = [name for name in _SHOWN if all(name in one.gap for one in results.methods)]
    gaps = [
        [
            one.name,
            "yes" if one.learns else "no",
            *(_interval(one.gap[name]) for name in shown),
            *(_spread(one.spread[name]) for name in shown[:1]),
        ]
        for one in results.methods
    ]
    folds = [
        [
            f"{one.name}: {fold.fold}",
            *(f"{_value(fold.inside[n])} / {_value(fold.outside[n])}" for n in shown),
        ]
        for one in results.methods
        for fold in one.folds
    ]
    parts = (
        f"{len(results.folds)} folds; in brackets 95 % intervals ({results.resamples} resamples).\n",
        table(["ΔM = M_in − M_out", "learns", *shown, *(f"{name} over folds" for name in shown[:1])], gaps),
        table(["M_in / M_out", *shown], folds),
    )
    return "\n".join(parts)


def _interval(one: Figure) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "–"
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]".replace("-", "−")


def _value(one: Figure) -> str:
    return "–" if one.value is None else f"{one.value:.3f}"


def _spread(one: Spread) -> str:
    return f"{one.lowest:.3f} to {one.highest:.3f}"
