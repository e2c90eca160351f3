"""The log of a training: a JSON line every few steps."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascade.exports.atomic import explained, whole_text

EVERY = 20
"""Steps a line; losses are means over them."""


class JsonLog:
    """Appends `{"step": …, "seconds": …, "<loss>": …}`; `seconds` counts over all runs of the training.

    Args:
        path: of the log; missing folders are made.
        step: that the training goes on from. Lines of later steps, which a killed run left behind its last
            checkpoint, are removed, so that every step stands there once.

    Raises:
        OutputError: the log cannot be written.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self._path = path
        kept = [line for line in read_log(path) if line["step"] <= step]
        with whole_text(path) as file:
            file.writelines(json.dumps(line) + "\n" for line in kept)
        self._began = time.monotonic() - (float(kept[-1].get("seconds", 0)) if kept else 0.0)
        self._since: list[Mapping[str, float]] = []

    @property
    def seconds(self) -> float:
        """Seconds that the training has taken, over all its runs."""
        return time.monotonic() - self._began

    def __call__(self, step: int, losses: Mapping[str, float]) -> None:
        """Note the losses of a step.

        Raises:
            OutputError: the log cannot be written.
        """
        self._since.append(losses)
        if step % EVERY:
            return
        self._append(step, _means(self._since))
        self._since = []

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Note figures of held-out images, on a line of its own: `{…, "held_out": {"<figure>": …}}`.

        Raises:
            OutputError: the log cannot be written.
        """
        self._append(step, {"held_out": dict(figures)})

    def _append(self, step: int, values: Mapping[str, object]) -> None:
        line = {"step": step, "seconds": round(self.seconds, 1), **values}
        with explained(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _means(several: list[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for losses in several for name in losses)
    values = {name: [losses[name] for losses in several if name in losses] for name in names}
    return {name: round(sum(some) / len(some), 4) for name, some in values.items()}


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; what a killed run left of its last one is no line."""
    if not path.exists():
        return []
    lines = []
    with explained(path):
        content = path.read_text(encoding="utf-8", errors="replace")
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines
