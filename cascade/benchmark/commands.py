"""`cs3 benchmark`: what each stage, the prompts and the architectures contribute and cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cascade.console import FAILED, reported, say

_GO_ON = "Interrupted. What is done is kept: run the same command with --resume to finish the rest."

app = typer.Typer(
    help="Measure what each stage, the prompts and the architectures contribute and cost.",
    no_args_is_help=True,
)

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA", help="Experts' outlines, one COCO file an expert; several, or separated by commas."
    ),
]
Images = Annotated[
    Path, typer.Option("--images", metavar="DIR", help="Folder of the images that DATA lists.")
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


@app.command("stages")
def stages_command(
    data: Data,
    *,
    images: Images,
    out: Out,
    until: Until = None,
    after: After = None,
    sample: Sample = 1,
    limit: Limit = None,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
    resume: Resume = False,
) -> None:
    """Score the pipeline built up stage by stage, and with one thing left out at a time.

    Writes stages.json, stages.md and each variant's prediction.
    """
    _compare(
        "stages",
        truths=_paths(data),
        folder=images,
        out=out,
        days=(_day(until), _day(after)),
        sample=sample,
        limit=limit,
        model=model,
        device=device,
        config=config,
        resume=resume,
    )


@app.command("prompts")
def prompts_command(
    data: Data,
    *,
    images: Images,
    out: Out,
    until: Until = None,
    after: After = None,
    sample: Sample = 1,
    limit: Limit = 8,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
    resume: Resume = False,
) -> None:
    """Compare prompts on the foreground with the dense grid: prompts decoded, time, what is found.

    Writes prompts.json, prompts.md and each variant's prediction. Without --limit 8 images: the grid is slow.
    """
    _compare(
        "prompts",
        truths=_paths(data),
        folder=images,
        out=out,
        days=(_day(until), _day(after)),
        sample=sample,
        limit=limit,
        model=model,
        device=device,
        config=config,
        resume=resume,
    )


@app.command("architectures")
def architectures_command(
    *,
    out: Out,
    architectures: Annotated[
        str, typer.Option("--architectures", metavar="NAMES", help="Of vit_b, vit_l and vit_h.")
    ] = "vit_b,vit_h",
    device: Device = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the synthetic smear.")] = 0,
    width: Annotated[int, typer.Option("--width", min=16, help="Of the smear, pixels.")] = 1280,
    height: Annotated[int, typer.Option("--height", min=16, help="Of the smear, pixels.")] = 1024,
    head_length: Annotated[
        float, typer.Option("--head-length", metavar="PX", help="Length of a head.")
    ] = 90.0,
) -> None:
    """Run the pipeline with Meta's architectures, random weights, on a synthetic smear: time, memory.

    Writes architectures.json and architectures.md. On a CPU, vit_h takes minutes for every encoding.
    """
    with reported():
        from cascade.batch import check_out  # noqa: PLC0415  what takes time to import waits until it is needed
        from cascade.benchmark import architectures as meta  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.tables import write_report  # noqa: PLC0415

        names = architectures.split(",")
        if unknown := sorted(set(names) - set(meta.NAMES)):
            raise typer.BadParameter(
                f"expected any of {','.join(meta.NAMES)}, got {','.join(unknown)}",
                param_hint="--architectures",
            )
        check_out(out, resume=False)
        words = describe(device)
    with reported(FAILED):
        field = meta.Field(seed, (height, width), head_length)
        entries = meta.run_architectures(names, field, device, meta.measured_apart, say)
        document = meta.as_document(entries, field, words)
        text = meta.as_markdown(document)
        write_report(out, "architectures", document, text)
    typer.echo(text, nl=False)
    if any(entry["error"] for entry in entries):
        raise typer.Exit(FAILED)


def _compare(
    name: str,
    *,
    truths: Sequence[Path],
    folder: Path,
    out: Path,
    days: tuple[date | None, date | None],
    sample: int,
    limit: int | None,
    model: str,
    device: str,
    config: Path | None,
    resume: bool,
) -> None:
    """Run the comparison of this name, write its report, and print the tables."""
    with reported():
        from cascade.batch import check_out  # noqa: PLC0415
        from cascade.benchmark import prompts, stages  # noqa: PLC0415
        from cascade.benchmark.comparison import Comparison, compare, find_images  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.display import ComparisonDisplay  # noqa: PLC0415
        from cascade.benchmark.tables import write_report  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415

        kind = {"stages": stages, "prompts": prompts}[name]
        variants = kind.variants(CS3Config() if config is None else CS3Config.from_toml(config))
        check_out(out, resume)
        until, after = days
        files = find_images(truths, folder, until=until, after=after, sample=sample, limit=limit)
        comparison = Comparison(truths, files, out, load_model(model, device), describe(device), resume)
    with reported(FAILED, _GO_ON), ComparisonDisplay() as display:
        document = compare(comparison, variants, display)
        text = kind.as_markdown(document)
        write_report(out, name, document, text)
    typer.echo(text, nl=False)


def _paths(data: Sequence[str]) -> list[Path]:
    return [Path(item) for entry in data for item in entry.split(",") if item]


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()
