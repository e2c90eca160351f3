"""What `cs3 train` shows while it runs, and how it is asked to stop."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cascade.console import say
from cascade.training.log import EVERY
from cascade.training.watcher import Watcher

_MEMORY_OF_SPEED = 600.0  # seconds over which the time left is judged: steps take seconds, not milliseconds
_SMOOTH = 0.9  # a step's losses are those of four pictures, and jump
_WAIT = b"\nFinishing the step and saving; press Ctrl-C again to stop at once.\n"


class TrainingDisplay(Watcher):
    """A bar with losses and the time left; on anything but a terminal a line every 20 steps."""

    def __init__(self, first: str = "drawing the first smears") -> None:
        self._waits_for = first
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", markup=False),
            console=console,
            disable=not self._terminal,
            speed_estimate_period=_MEMORY_OF_SPEED,
        )
        self._losses: dict[str, float] = {}
        self._first, self._steps, self._began, self._ends = 0, 0, 0.0, math.inf
        self._task = self._bar.add_task("", total=None, losses=first)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, step: int, steps: int) -> None:
        """Show how far the training is; the first step waits for the first samples."""
        self._first, self._steps, self._began = step, steps, time.monotonic()
        self._bar.reset(self._task, total=steps, completed=step)
        if not self._terminal and step < steps:
            say(f"[{step}/{steps}] {self._waits_for}")

    def limited(self, seconds: float) -> None:
        """From now on no more time is left than this."""
        self._ends = time.monotonic() + seconds

    def taught(self, step: int, losses: Mapping[str, float]) -> None:
        """Move on by a step."""
        for name, value in losses.items():
            self._losses[name] = _SMOOTH * self._losses.get(name, value) + (1 - _SMOOTH) * value
        told = ", ".join(f"{name} {value:.2f}" for name, value in self._losses.items())
        self._bar.update(self._task, completed=step, losses=told)
        if not self._terminal and (step % EVERY == 0 or step == self._steps):
            a_step = (time.monotonic() - self._began) / (step - self._first)
            left = min(a_step * (self._steps - step), max(0.0, self._ends - time.monotonic()))
            say(f"[{step}/{self._steps}] {told}; {_duration(left)} left")

    def checked(self, step: int, figures: Mapping[str, float]) -> None:
        """Tell the figures of held-out images."""
        told = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        self._bar.console.print(f"step {step}, held-out images: {told}", markup=False, highlight=False)

    def skipped(self, error: Exception) -> None:
        """Name the file and what is wrong with it."""
        self._bar.console.print(f"left out: {error}", markup=False, highlight=False)


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


@contextmanager
def stop_on_request() -> Iterator[Callable[[], bool]]:
    """In the block, Ctrl-C and SIGTERM ask to stop instead of interrupting; the function given tells of it.

    Asked twice, they interrupt. Works in the main thread alone, as signals do.
    """
    asked: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        os.write(2, _WAIT)  # unlike print, safe wherever a signal may arrive

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
