"""What `cs3 segment` shows while it runs and when it ends."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cascade.batch import REPORT, Entry, Watcher
from cascade.console import say, say_error

_MEMORY_OF_SPEED = 600.0  # seconds over which the time left is judged: images take seconds, not milliseconds


class BatchDisplay(Watcher):
    """A bar with the time left and the current file; on anything but a terminal a line for each picture.

    Args:
        files: how many files there are to do.
    """

    def __init__(self, files: int) -> None:
        self._console = Console(stderr=True)
        self._files, self._done = files, 0
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
        self._task = self._progress.add_task("", total=files, name="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str) -> None:
        """Show what is worked on."""
        self._progress.update(self._task, name=name)

    def end(self, entry: Entry) -> None:
        """Add a line to what may be a log file."""
        if not self._console.is_terminal:
            outcome = "failed" if entry.error else f"{entry.sperm} sperm, {entry.seconds:.1f} s"
            say(f"[{self._done + 1}/{self._files}] {entry.file_name}: {outcome}")

    def advance(self) -> None:
        """Move the bar on."""
        self._done += 1
        self._progress.advance(self._task)


def show_summary(entries: Sequence[Entry], out: Path) -> None:
    """Counts of all pictures as a table on standard output."""
    good = [entry for entry in entries if entry.error is None]
    fresh = [entry.seconds for entry in good if not entry.reused]
    sperm, complete = sum(entry.sperm for entry in good), sum(entry.complete for entry in good)
    rows = {
        "pictures": len(entries),
        "of these failed": len(entries) - len(good),
        "of these from the earlier run": len(good) - len(fresh),
        "sperm": sperm,
        "of these complete": complete,
        "of these a head or a tail alone": sperm - complete,
    }
    table = Table(box=None, show_header=False)
    for name, count in rows.items():
        if count or not name.startswith("of these"):
            table.add_row(f"  {name}" if name.startswith("of these") else name, str(count))
    if fresh:
        table.add_row("seconds a picture", f"{statistics.median(fresh):.2f} (median)")
    table.add_row("results in", str(out))
    Console().print(table)
    for line in noted(entries):
        say(line)


def noted(entries: Sequence[Entry]) -> list[str]:
    """A line for every kind of note: how many pictures have it, and what it says."""
    good = [entry for entry in entries if entry.error is None]
    texts = {note.kind: note.text for entry in good for note in entry.notes}
    counts = Counter(note.kind for entry in good for note in entry.notes)
    return [
        f"{count} of {len(good)} pictures: {texts[kind]} ({REPORT} says which)"
        for kind, count in counts.most_common()
    ]


def show_failures(entries: Sequence[Entry]) -> None:
    """One message for each picture that could not be segmented, on the error stream."""
    for entry in entries:
        if entry.error is not None:
            told = entry.error.startswith(entry.file_name)
            say_error(entry.error if told else f"{entry.file_name}: {entry.error}")
