"""What a benchmark shows while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cascade.console import say

_MEMORY_OF_SPEED = 600.0  # seconds over which the time left is judged: variants differ in speed


class BenchmarkDisplay:
    """A bar with the time left and what is at work; on anything but a terminal a line an image."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._terminal,
            transient=True,
            speed_estimate_period=_MEMORY_OF_SPEED,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to another display."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def __call__(self, variant: str, done: int, total: int) -> None:
        """Move on by one image."""
        self._bar.update(self._task, description=variant, completed=done, total=total)
        if not self._terminal:
            say(f"[{done}/{total}] {variant}")
