"""How the command speaks of trouble: one clear message on the error stream, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from cascade.errors import CS3Error

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def say(message: str) -> None:
    """Print on the error stream, unbroken, so that it can be searched for."""
    typer.echo(message, err=True)


def say_error(message: str) -> None:
    """Print an error message."""
    say(f"{typer.style('Error:', fg=typer.colors.RED, bold=True)} {message}")


@contextmanager
def reported(code: int = WRONG_USE, interrupted: str = "Interrupted.") -> Iterator[None]:
    """Show what goes wrong in the block as a message instead of a traceback, and end the command with `code`.

    An interrupt (Ctrl-C) ends it with 130 and the message `interrupted`.
    """
    try:
        yield
    except CS3Error as error:
        say_error(str(error))
        raise typer.Exit(code) from error
    except KeyboardInterrupt as error:
        say(interrupted)
        raise typer.Exit(INTERRUPTED) from error
