"""The command `cs3`. What needs time to import is imported by the sub-command that needs it."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascade.console import FAILED, WRONG_USE, reported, say_error
from cascade.errors import CS3Error
from cascade.subcommands import add_installed, defer
from cascade.synthesis_commands import synthesize, synthesize_distance

if TYPE_CHECKING:
    from cascade.batch import Job
    from cascade.config import CS3Config
    from cascade.engines.protocol import Engine

_EXPORTS = ("geojson", "imagej", "tiff")
_COUNTS = ("images", "sperm", "predicted")  # figures without a fraction
_GO_ON = "Interrupted. What is done is kept: run the same command with --resume to finish the rest."

app = typer.Typer(
    help="Find every sperm of a stained smear, each with its head and its own tail. "
    "For research use, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Preset(StrEnum):
    """Configurations that ship with the program."""

    DEFAULT = "default"
    PAPER = "paper"


def main() -> None:
    """Run the command line, with the sub-commands that other packages add."""
    _quieten_libraries()
    add_installed(app)
    try:
        app(prog_name="cs3")
    except CS3Error as error:
        say_error(str(error))
        sys.exit(WRONG_USE)
    except Exception as error:
        if "CS3_TRACEBACK" in os.environ:
            raise
        say_error(
            f"unexpected {type(error).__name__}: {error}; set CS3_TRACEBACK=1 to see where it came from"
        )
        sys.exit(FAILED)


def _show_version(wanted: bool) -> None:
    if wanted:
        from cascade.environment import version  # noqa: PLC0415

        typer.echo(f"cs3 {version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Options of the command itself."""


# -- options that several sub-commands take

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME", help="A model of `cs3 models list`, or the path of a checkpoint."
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A TOML file with thresholds that differ.")
]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="A configuration that ships with CS3.")]


# -- sub-commands


@app.command()
def segment(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Images, folders (with their sub-folders) or patterns."),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results, new or empty.")
    ],
    model: ModelOption = "tiny",
    device: DeviceOption = "auto",
    pixel_size: Annotated[
        float | None,
        typer.Option("--pixel-size", metavar="UM", help="µm a pixel; otherwise as the image files state it."),
    ] = None,
    config: ConfigOption = None,
    preset: PresetOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what an earlier run left in DIR.")
    ] = False,
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="Draw what was found.")] = True,
    export: Annotated[
        list[str] | None,
        typer.Option("--export", metavar="KINDS", help=f"Further files: any of {','.join(_EXPORTS)}."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="WHERE",
            envvar="CS3_ENGINE",
            help="local; ray: this machine's processors and GPUs; ray://HOST:PORT: a cluster's.",
        ),
    ] = "local",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")] = False,
) -> None:
    """Segment images and measure every sperm in them.

    Writes annotations.coco.json, sperm.csv, run.json and an overlay for each image. Ends with 0 when all went
    well, 1 when some images failed, 2 when it was called wrongly.
    """
    kinds = _kinds(export or []) | ({"overlay"} if overlay else set())
    if pixel_size is not None and not 0 < pixel_size < float("inf"):
        raise typer.BadParameter(f"expected µm a pixel above 0, got {pixel_size}", param_hint="--pixel-size")
    configuration = _configuration(config, preset)
    with reported():
        from cascade import batch  # noqa: PLC0415
        from cascade.inputs import find_inputs  # noqa: PLC0415

        files = find_inputs(inputs, exclude=out)
        batch.check_out(out, resume)
        job = _job(
            files=files,
            out=out,
            engine=_engine(engine, model, device, configuration),
            configuration=configuration,
            pixel_size=pixel_size,
            resume=resume,
            kinds=kinds,
        )
    with reported(FAILED, _GO_ON), closing(job.engine):
        from cascade.progress import BatchDisplay, show_failures, show_summary  # noqa: PLC0415

        if quiet:
            entries = batch.run(job)
        else:
            with BatchDisplay(len(files)) as display:
                entries = batch.run(job, display)
            show_summary(entries, out)
    show_failures(entries)
    if any(entry.error for entry in entries):
        raise typer.Exit(FAILED)


@app.command()
def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The image.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.")],
    page: Annotated[int | None, typer.Option("--page", help="Page of a TIFF file, from 1.")] = None,
    model: ModelOption = "tiny",
    device: DeviceOption = "auto",
    config: ConfigOption = None,
    preset: PresetOption = None,
) -> None:
    """Show what every stage saw and decided on one image: a picture a stage, and one sheet of all.

    Look here when a result is wrong.
    """
    configuration = _configuration(config, preset)
    with reported():
        from cascade.explain import explain as explain_image  # noqa: PLC0415
        from cascade.images import read_image  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415

        pixels = read_image(image, page=page).pixels
        explain_image(pixels, out, load_model(model, device), configuration)
    typer.echo(f"The pictures are in {out}.")


app.command()(synthesize)
app.command("synthesize-distance")(synthesize_distance)


@app.command()
def score(
    truths: Annotated[
        list[str],
        typer.Argument(
            metavar="TRUTH",
            help="Experts' outlines, one COCO file an expert; several, or separated by commas.",
        ),
    ],
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION", help="annotations.coco.json of a run.")],
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only images whose names hold no later date."),
    ] = None,
    after: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only images whose names hold a later date.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Print how many of the sperm scored so are right, instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a prediction against experts; the figures are averaged over them."""
    with reported():
        from cascade.benchmark.figures import figures as figures_of  # noqa: PLC0415
        from cascade.benchmark.score import score_prediction  # noqa: PLC0415
        from cascade.benchmark.trust import trust as trust_of  # noqa: PLC0415
        from cascade.benchmark.trust import trust_table  # noqa: PLC0415

        experts = [Path(name) for entry in truths for name in entry.split(",") if name]
        scored = score_prediction(experts, prediction, until=_day(until), after=_day(after))
    if trust:
        bands = trust_of(scored)
        rows = [asdict(band) for band in bands if band.sperm]
        typer.echo(json.dumps(rows, indent=2) if as_json else trust_table(bands))
        return
    figures = figures_of(scored)
    if as_json:
        typer.echo(json.dumps(figures, indent=2))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        typer.echo(f"{name:{width}}  {value:.0f}" if name in _COUNTS else f"{name:{width}}  {value:.3f}")


# -- from options to what the library takes


def _kinds(export: list[str]) -> set[str]:
    kinds = {kind.strip() for item in export for kind in item.split(",") if kind.strip()}
    if unknown := sorted(kinds - set(_EXPORTS)):
        raise typer.BadParameter(
            f"expected any of {','.join(_EXPORTS)}, got {','.join(unknown)}", param_hint="--export"
        )
    return kinds


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _configuration(config: Path | None, preset: Preset | None) -> CS3Config:
    if config is not None and preset is not None:
        raise typer.BadParameter(
            "expected --config or --preset, got both; write the preset's values to the file"
        )
    with reported():
        from cascade.config import CS3Config  # noqa: PLC0415

        if config is not None:
            return CS3Config.from_toml(config)
        return CS3Config.paper() if preset == Preset.PAPER else CS3Config()


def _engine(name: str, model: str, device: str, configuration: CS3Config) -> Engine:
    """The pipeline with its model, here or elsewhere."""
    from cascade.engines.address import LOCAL, checked  # noqa: PLC0415
    from cascade.engines.pipeline import PipelineLoader  # noqa: PLC0415
    from cascade.engines.protocol import LocalEngine  # noqa: PLC0415

    loader = PipelineLoader(model, configuration)
    if checked(name) == LOCAL:
        return LocalEngine(loader(device))
    from cascade.engines.ray_pool import RayEngine  # noqa: PLC0415

    return RayEngine(name, loader, device)


def _job(
    *,
    files: list[Path],
    out: Path,
    engine: Engine,
    configuration: CS3Config,
    pixel_size: float | None,
    resume: bool,
    kinds: set[str],
) -> Job:
    """What the batch runner is to do."""
    from cascade.batch import Job  # noqa: PLC0415
    from cascade.morphometrics import measure  # noqa: PLC0415

    return Job(
        inputs=files,
        out=out,
        engine=engine,
        measure=measure,
        configuration=configuration.model_dump(mode="json"),
        pixel_size=pixel_size,
        resume=resume,
        files=frozenset(kinds),
    )


def _quieten_libraries() -> None:
    """Damaged images are reported once, by us."""
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


defer(app, "models", "cascade.sam.commands:app")
defer(app, "benchmark", "cascade.benchmark.commands:app")
defer(app, "costs", "cascade.costs.commands:app")
defer(app, "fit", "cascade.fitting.commands:app")
defer(app, "generalise", "cascade.benchmark.generalise_commands:app")
defer(app, "faults", "cascade.benchmark.fault_commands:app")
defer(app, "train", "cascade.training.commands:app")
