"""Sub-commands that live in other modules or packages, imported only when they are called."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

from cascade.console import reported
from cascade.errors import CS3Error

GROUP = "cs3.commands"
"""Entry points of this group become sub-commands of `cs3`: name = "module:app", a Typer app."""


def defer(app: typer.Typer, name: str, target: str, panel: str | None = None) -> None:
    """Add the Typer app at `module:attribute` as a sub-command, all of whose arguments it takes itself.

    Its line in the help is the first of the module's docstring.
    """

    def forward(context: typer.Context) -> None:
        with reported():
            command = _load(name, target)
        command(args=context.args, prog_name=f"cs3 {name}")

    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
    added = app.command(
        name, help=_summary(target), add_help_option=False, rich_help_panel=panel, context_settings=settings
    )
    added(forward)


def add_installed(app: typer.Typer) -> None:
    """Add what other packages offer in the entry-point group; a name that is taken stays what it is."""
    taken = {info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands}
    for point in entry_points(group=GROUP):
        if point.name not in taken:
            defer(app, point.name, point.value, "Further commands")


def _load(name: str, target: str) -> Callable[..., Any]:
    module, _, attribute = target.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CS3Error(
            f"cs3 {name}: expected a command at {target}, found none ({error}); install its package again"
        ) from error
    return found


def _summary(target: str) -> str:
    """The first line of a module's docstring, read without running the module, less the command's name."""
    try:
        spec = importlib.util.find_spec(target.partition(":")[0])
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
        line = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    said = line.partition(": ")[2] if line.startswith("`") else line
    return said[:1].upper() + said[1:]
