"""`cs3 remote`: send images to a CS3 service, and fetch what it found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascade.console import FAILED, reported, say, say_error

if TYPE_CHECKING:
    from service.client import Client, RemoteJob
    from service.schemas import Job, JobSummary

EXPORTS = ("geojson", "imagej", "tiff", "json")
_ALWAYS = ("coco", "csv", "run")

app = typer.Typer(
    help="Send images to a CS3 service, and fetch what it found. "
    "CS3_REMOTE_URL and CS3_REMOTE_KEY name the service and the key once and for all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Preset(StrEnum):
    """Configurations that ship with the program."""

    DEFAULT = "default"
    PAPER = "paper"


Inputs = Annotated[
    list[Path], typer.Argument(metavar="INPUT", help="Images, zips of images, folders (with sub-folders).")
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, as `submit` printed it.")]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results, new or empty.")
]
Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The service; else http://127.0.0.1:8080.")
]
Name = Annotated[str | None, typer.Option("--name", metavar="TEXT", help="A name for the job.")]
PixelSize = Annotated[
    float | None,
    typer.Option("--pixel-size", metavar="UM", help="µm a pixel; otherwise as the image files state it."),
]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="A configuration that ships with CS3.")]
Export = Annotated[
    list[str] | None,
    typer.Option("--export", metavar="KINDS", help=f"Further files: any of {','.join(EXPORTS)}."),
]
Overlay = Annotated[bool, typer.Option("--overlay/--no-overlay", help="Pictures of what was found.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")]


@app.command()
def segment(
    inputs: Inputs,
    *,
    out: Out,
    url: Url = None,
    name: Name = None,
    pixel_size: PixelSize = None,
    preset: PresetOption = None,
    export: Export = None,
    overlay: Overlay = True,
    quiet: Quiet = False,
) -> None:
    """Submit images, wait, and fetch the results: the files that `cs3 segment` writes.

    Ends with 0 when all went well, 1 when some images failed, 2 when it was called wrongly.
    """
    include = _include(export, overlay)
    _check_out(out)
    with _client(url) as client:
        job = _submitted(client, inputs, name, pixel_size, preset)
        say(f"Submitted as job {job.id}.")
        with reported(FAILED, _go_on(job, out)):
            _follow(job, quiet)
            _fetch(job, out, include)
    _conclude(job, out, quiet)


@app.command()
def submit(
    inputs: Inputs,
    *,
    url: Url = None,
    name: Name = None,
    pixel_size: PixelSize = None,
    preset: PresetOption = None,
) -> None:
    """Submit images as a job, print its id, and come back at once."""
    with _client(url) as client:
        job = _submitted(client, inputs, name, pixel_size, preset)
    typer.echo(job.id)
    say(f"Fetch the results with: cs3 remote fetch {job.id} --out DIR")


@app.command()
def status(
    job_id: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="A job's id; without one: recent jobs.")
    ] = None,
    *,
    url: Url = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait until the job is done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a job stands, or the latest jobs."""
    if job_id is None:
        if follow:
            raise typer.BadParameter("expected a job to follow, got none; name its id", param_hint="--follow")
        with _client(url) as client, reported():
            recent = [one for one, _ in zip(client.jobs(page=20), range(20), strict=False)]
        _show_jobs(recent, as_json)
        return
    with _client(url) as client, reported():
        job = client.job(job_id)
        known = job.status()
        if follow:
            _follow(job, quiet=as_json)
            known = job.status()
    _show_job(known, as_json)


@app.command()
def fetch(
    job_id: JobId,
    *,
    out: Out,
    url: Url = None,
    export: Export = None,
    overlay: Overlay = True,
    quiet: Quiet = False,
) -> None:
    """Wait until a job is done, and write its results: the files that `cs3 segment` writes."""
    include = _include(export, overlay)
    _check_out(out)
    with _client(url) as client, reported():
        job = client.job(job_id)
        job.status()
        with reported(FAILED, _go_on(job, out)):
            _follow(job, quiet)
            _fetch(job, out, include)
    _conclude(job, out, quiet)


# -- steps that sub-commands share


@contextmanager
def _client(url: str | None) -> Iterator[Client]:
    with reported():
        from service.client import Client  # noqa: PLC0415 - `cs3 --help` needs no HTTP

        client = Client(url)
    with client:
        yield client


def _submitted(
    client: Client, inputs: list[Path], name: str | None, pixel_size: float | None, preset: Preset | None
) -> RemoteJob:
    if pixel_size is not None and not 0 < pixel_size < float("inf"):
        raise typer.BadParameter(f"expected µm a pixel above 0, got {pixel_size}", param_hint="--pixel-size")
    with reported():
        return client.submit(inputs, name=name, pixel_size_um=pixel_size, preset=preset and preset.value)


def _follow(job: RemoteJob, quiet: bool) -> None:
    """Show progress until the job is done."""
    from service.remote_display import JobDisplay  # noqa: PLC0415

    if quiet:
        job.wait()
        return
    with JobDisplay(job.status()) as display:
        for event in job.events():
            display.show(event)
    job.status()


def _fetch(job: RemoteJob, out: Path, include: tuple[str, ...]) -> None:
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    from service.client.unpacking import unpack  # noqa: PLC0415

    with TemporaryDirectory(prefix="cs3-") as folder:
        unpack(job.download(Path(folder) / "results.zip", kind="zip", include=include), out)


def _conclude(job: RemoteJob, out: Path, quiet: bool) -> None:
    known = job.known or job.status()
    if not quiet:
        _show_job(known, as_json=False)
        typer.echo(f"results in {out}")
    for image in known.images:
        if image.error is not None:
            say_error(
                image.error
                if image.error.startswith(image.file_name)
                else f"{image.file_name}: {image.error}"
            )
    if known.state != "succeeded" or known.counts.failed:
        raise typer.Exit(FAILED)


def _go_on(job: RemoteJob, out: Path) -> str:
    return f"Interrupted; the job goes on. Fetch it later with: cs3 remote fetch {job.id} --out {out}"


def _include(export: list[str] | None, overlay: bool) -> tuple[str, ...]:
    kinds = [kind.strip() for item in export or [] for kind in item.split(",") if kind.strip()]
    if unknown := sorted(set(kinds) - set(EXPORTS)):
        raise typer.BadParameter(
            f"expected any of {','.join(EXPORTS)}, got {','.join(unknown)}", param_hint="--export"
        )
    return (*_ALWAYS, *dict.fromkeys(kinds), *(("overlay",) if overlay else ()))


def _check_out(out: Path) -> None:
    """Say before hours of work what would be said after them."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(
            f"{out}: expected a new or empty folder, found something there; choose another",
            param_hint="--out",
        )


# -- what is shown


def _show_jobs(jobs: list[JobSummary], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in jobs], indent=2))
        return
    if not jobs:
        typer.echo("No jobs yet.")
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table("job", "name", "state", "images", "failed", "sperm", "submitted", box=None)
    for one in jobs:
        done = one.counts.succeeded + one.counts.failed + one.counts.cancelled
        images = str(one.counts.images) if done == one.counts.images else f"{done}/{one.counts.images}"
        table.add_row(
            one.id,
            one.name,
            one.state,
            images,
            str(one.counts.failed or ""),
            str(one.sperm),
            _local(one.created_at),
        )
    Console().print(table)


def _show_job(job: Job, as_json: bool) -> None:
    if as_json:
        typer.echo(job.model_dump_json(indent=2))
        return
    counts = job.counts
    lines = {
        "job": job.id + (f" ({job.name})" if job.name else ""),
        "state": job.state + (f": {job.error}" if job.error else ""),
        "images": counts.images,
        "  done": counts.succeeded,
        "  failed": counts.failed,
        "  cancelled": counts.cancelled,
        "  waiting or running": counts.queued + counts.running,
        "sperm": job.sperm,
        "  complete": job.complete,
        "submitted": _local(job.created_at),
    }
    for title, value in lines.items():
        if value or not title.startswith(" "):
            typer.echo(f"{title:22}{value}")


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
