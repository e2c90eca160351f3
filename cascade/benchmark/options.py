"""Options that the commands which compare with experts share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

GO_ON = "Interrupted. What is done is kept: run the same command with --resume to finish the rest."

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA", help="Experts' outlines of the same images, one an expert; also separated by commas."
    ),
]
Images = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="Folder of the images that DATA lists.")
]
Experts = Annotated[
    list[str] | None,
    typer.Option("--experts", metavar="NAMES", help="Only these of the experts in DATA, by file name."),
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--methods",
        "-m",
        metavar="NAMES",
        help="cs3, sam, con2dis, unet, maskrcnn, naive; cs3:stages for CS3 built up stage by stage; "
        "FILE.py:NAME for one's own; NAME=FILE.json for predictions made elsewhere. Several, or separated by "
        "commas.",
    ),
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results, new or empty.")
]
Until = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="Only images whose names hold no later date."),
]
After = Annotated[
    datetime | None,
    typer.Option("--after", formats=["%Y-%m-%d"], help="Only images whose names hold a later date."),
]
Listed = Annotated[
    Path | None,
    typer.Option("--list", metavar="FILE", help="Only images that this file names, one a line."),
]
Sample = Annotated[
    int,
    typer.Option("--sample", metavar="EVERY", min=1, help="Only every EVERY-th image, the first included."),
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many images.")]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME", help="A model of `cs3 models list`, or the path of a checkpoint."
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A TOML file with thresholds that differ.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what an earlier run left in DIR.")]


def separated(values: Sequence[str]) -> list[str]:
    """The entries of a repeated option whose values may also be separated by commas."""
    return [item.strip() for value in values for item in value.split(",") if item.strip()]


def day(moment: datetime | None) -> date | None:
    """What typer reads for a date, as one."""
    return None if moment is None else moment.date()
