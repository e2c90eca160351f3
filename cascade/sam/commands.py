"""`cs3 models`: see, fetch and find the models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from cascade.errors import ModelError
from cascade.sam import checkpoints, registry

app = typer.Typer(help="The models: see which are here, fetch Meta's checkpoints.", no_args_is_help=True)


def _known(name: str) -> str:
    names = [model.name for model in registry.list_models()]
    if name not in names:
        raise typer.BadParameter(f"unknown model {name!r}; choose one of {', '.join(names)}")
    return name


Name = Annotated[str, typer.Argument(metavar="NAME", help="A model of `cs3 models list`.", callback=_known)]

_STATES = {
    "ready": "ready",
    "unverified": "here, not yet verified",
    "partial": "partly downloaded",
    "damaged": "damaged: fetch it again",
    "missing": "not here",
}


@app.command("list")
def list_command() -> None:
    """Show the models and which of them are on this machine."""
    table = Table("model", "size", "state", box=None)
    table.add_column("file", overflow="fold")
    for model in registry.list_models():
        table.add_row(model.name, f"{model.size / 1e6:,.0f} MB", _STATES[model.state], str(model.path))
    Console().print(table)


@app.command("fetch")
def fetch_command(name: Name) -> None:
    """Download a model or continue a broken download; one that is here is verified instead."""
    _print_path(name, _fetch_with_bar)


@app.command("path")
def path_command(name: Name) -> None:
    """Print where a model's weights are; fails where they are missing or damaged."""
    _print_path(name, checkpoints.locate)


def _print_path(name: str, find: Callable[[str], Path]) -> None:
    """Print the path alone, for use in scripts; what went wrong goes to the error stream."""
    try:
        typer.echo(registry.built_in() if name == registry.TINY else find(name))
    except ModelError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _fetch_with_bar(name: str) -> Path:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=checkpoints.lookup(name).size)
        return checkpoints.fetch(name, lambda have, size: bar.update(task, completed=have, total=size))
