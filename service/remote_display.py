"""What `cs3 remote` shows while a job is at work."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cascade.console import say
from service.jobs import OPEN_TASKS
from service.schemas import ImageEvent, Job, JobEvent

_MEMORY_OF_SPEED = 600.0  # seconds over which the time left is judged


class JobDisplay:
    """A bar with the time left; on anything but a terminal a line for each image.

    Args:
        job: as it stands when the display begins.
    """

    def __init__(self, job: Job) -> None:
        self._states = {image.number: image.state for image in job.images}
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.fields[name]}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
            speed_estimate_period=_MEMORY_OF_SPEED,
        )
        self._task = self._progress.add_task("", total=job.counts.images, name=str(job.state))
        self._update()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: ImageEvent | JobEvent) -> None:
        """Take an event in; one that tells nothing new (a replay) shows nothing."""
        if isinstance(event, JobEvent):
            self._progress.update(self._task, total=event.counts.images, name=str(event.state))
            return
        news = self._states.get(event.number) != event.state
        self._states[event.number] = event.state
        self._update()
        if news and event.state not in OPEN_TASKS and not self._console.is_terminal:
            outcome = f"{event.sperm} sperm" if event.sperm is not None else str(event.state)
            say(f"[{self._done}/{len(self._states)}] {event.file_name}: {outcome}")

    @property
    def _done(self) -> int:
        return sum(state not in OPEN_TASKS for state in self._states.values())

    def _update(self) -> None:
        self._progress.update(self._task, completed=self._done, total=len(self._states))
