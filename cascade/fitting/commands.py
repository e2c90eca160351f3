"""`cs3 fit`: weights of the witnesses of links, pairs and sperm, from outlines or synthetic smears."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascade.benchmark.options import (
    After,
    Config,
    Device,
    Experts,
    Limit,
    Listed,
    Model,
    Sample,
    Until,
    day,
    separated,
)
from cascade.console import FAILED, reported

if TYPE_CHECKING:
    from cascade.benchmark.datasets import Dataset

_GO_ON = "Interrupted. With --keep DIR the images that are done are kept: run the same command again."


class What(StrEnum):
    """What to fit."""

    LINKS = "links"
    PAIRS = "pairs"
    SCORES = "scores"
    ALL = "all"


class Teacher(StrEnum):
    """What tells right from wrong."""

    EXPERTS = "experts"
    SYNTHETIC = "synthetic"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def fit(
    what: Annotated[What, typer.Argument(help="Which weights.")],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Configuration file for the weights.")
    ],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="DATA", help="Experts' outlines, as for `cs3 benchmark`."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Folder of the images that DATA lists.")
    ] = None,
    experts: Experts = None,
    until: Until = None,
    after: After = None,
    listed: Listed = None,
    sample: Sample = 1,
    limit: Limit = None,
    test_after: Annotated[
        datetime | None,
        typer.Option(
            "--test-after",
            formats=["%Y-%m-%d"],
            help="Images whose names hold a later date are not learnt from: the weights are judged on them.",
        ),
    ] = None,
    synthetic: Annotated[
        int, typer.Option("--synthetic", metavar="N", min=0, help="So many synthetic smears.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first of them.")] = 1_000_000,
    learn: Annotated[
        Teacher | None,
        typer.Option("--learn", help="What to learn from where both are there: experts where not said."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep every image's candidates, and use those there."),
    ] = None,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
) -> None:
    """Fit the weights with which witnesses judge links, pairs and sperm.

    Runs the cascade, labels every candidate by outlines, and prints what each witness is worth. The file can
    be handed to --config; as cascade/weights.toml it becomes the default.
    """
    with reported():
        from cascade.benchmark.display import BenchmarkDisplay  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, outlined  # noqa: PLC0415
        from cascade.benchmark.splits import select_images  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415
        from cascade.exports.atomic import write_bytes  # noqa: PLC0415
        from cascade.fitting import report  # noqa: PLC0415
        from cascade.fitting.gather import from_experts, from_smears  # noqa: PLC0415
        from cascade.fitting.study import FITTED, OF_KIND, study  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415

        paths = separated(data or [])
        teacher = learn or (Teacher.EXPERTS if paths else Teacher.SYNTHETIC)
        if bool(paths) != (images is not None):
            raise typer.BadParameter("expected --data and --images together, or neither of them")
        if not (paths if teacher is Teacher.EXPERTS else synthetic):
            raise typer.BadParameter("expected --data and --images, or --synthetic, to learn from")
        settings = CS3Config() if config is None else CS3Config.from_toml(config)
        raters: list[Dataset] = []
        files: dict[str, Path] = {}
        if images is not None:
            selection = Selection(listed, day(until), day(after), sample, limit)
            raters, files = outlined(paths, images, separated(experts or []), selection)
        tested = set() if test_after is None else set(select_images(list(files), after=day(test_after)))
        if teacher is Teacher.EXPERTS and not set(files) - tested:
            raise typer.BadParameter("expected images to learn from, found none up to --test-after")
        loaded = load_model(model, device)
    with reported(FAILED, _GO_ON), BenchmarkDisplay() as display:
        smears = from_smears(synthetic, seed, loaded, settings, keep, display)
        found = from_experts(files, raters, loaded, settings, keep, display)
        real = [one for name, one in found.items() if name not in tested]
        others = {"images after": [one for name, one in found.items() if name in tested]}
        if teacher is Teacher.EXPERTS:
            learnt, others["synthetic smears"] = real, smears
        else:
            learnt, others["other images"] = smears, real
        names = list(FITTED) if what is What.ALL else OF_KIND[what.value]
        judged = {words: several for words, several in others.items() if several}
        studies = study(learnt, judged, settings, names)
        how = [
            f"Written by: cs3 fit {shlex.join(_told(sys.argv[2:]))}",
            f"Learnt from {len(learnt)} {'images' if teacher is Teacher.EXPERTS else 'synthetic smears'}, "
            f"with the model {loaded.name} ({loaded.sha256[:12]}).",
        ]
        write_bytes(out, report.as_toml(studies, settings, how).encode())
    typer.echo(report.as_text(studies), nl=False)


def _told(arguments: list[str]) -> list[str]:
    """The command's arguments as another could repeat them: files and folders by their last name."""
    return [",".join(Path(part).name for part in one.split(",")) if "/" in one else one for one in arguments]
