"""The model card: what trained weights are, how they came about, what they reach."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from cascade.errors import AnnotationError
from cascade.exports.atomic import whole_text
from cascade.sam.checkpoints import sha256_of
from cascade.sam.registry import TINY
from cascade.sam.statedict import declared_architecture
from cascade.sam.weightfile import read_note
from cascade.training.about import About, about_architecture
from cascade.training.curve import learning_curve
from cascade.training.log import read_log

_COUNTS = ("images", "sperm", "predicted")  # figures without a fraction


def write_card(weights: Path, scores: Path, scored_on: str, note: str = "", log: Path | None = None) -> Path:
    """Write the card of weights beside them.

    Args:
        weights: written by `cs3 train`.
        scores: JSON of figure → value, as `cs3 score --json` prints it.
        scored_on: the images and the truth that the figures are of.
        note: what else a reader should know.
        log: of the training; it is kept beside the card, and drawn as a learning curve.

    Returns:
        The card's path: the weights' with the suffix `.md`.

    Raises:
        AnnotationError: the scores are not what `cs3 score --json` prints.
        ModelError: the weights are missing, damaged, or of an unknown architecture.
        OutputError: the card cannot be written.
    """
    architecture = declared_architecture(weights) if weights.is_file() else TINY
    training = read_note(weights, architecture or TINY)
    about = about_architecture(architecture or TINY, training)
    figures = _figures(scores)
    curve = ""
    if log is not None:
        lines = read_log(log)
        picture = weights.with_suffix(".svg")
        with whole_text(weights.with_suffix(".log.jsonl")) as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        with whole_text(picture) as file:
            file.write(learning_curve(lines, weights.stem))
        curve = (
            f"![Learning curve]({picture.name})\n\nThe curve's figures are in `{weights.stem}.log.jsonl`.\n\n"
        )
    path = weights.with_suffix(".md")
    with whole_text(path) as file:
        file.write(_card(weights, about, training, figures, scored_on, _paragraph(note) + curve))
    return path


def _figures(path: Path) -> dict[str, float]:
    expected = f"{path}: expected a JSON object of figures as `cs3 score --json` prints it"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{expected}, found none ({error}); save its output to the file.") from error
    if not isinstance(content, dict) or not content:
        raise AnnotationError(f"{expected}, found {type(content).__name__}; save its output to the file.")
    for name, value in content.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise AnnotationError(f"{expected}, found {name}: {value!r}; save its output to the file.")
    return content


def _card(
    weights: Path,
    about: About,
    training: Mapping[str, Any],
    figures: Mapping[str, float],
    scored_on: str,
    note: str,
) -> str:
    name = declared_architecture(weights) or TINY
    return f"""# {weights.stem}

{about.description.format(parameters=f"{_parameters(weights):,}")}

| | |
| --- | --- |
| file | `{weights.name}`, {weights.stat().st_size:,} bytes, half precision |
| sha256 | `{sha256_of(weights)}` |
| architecture | `{name}` |
| licence | {about.licence} |
| use | `{about.use.format(weights=weights.name)}` |

## Training

{about.data}

**Command**: `{_command(name, about, training)}`

{_settings(training)}
{note}## What it reaches

Scored on: {scored_on}

{_table(figures)}

## Limits

{about.limits}
"""


def _paragraph(text: str) -> str:
    return f"{text}\n\n" if text else ""


def _parameters(weights: Path) -> int:
    """Number of values in the file, buffers of normalisation included."""
    with safe_open(weights, "pt") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118


def _command(name: str, about: About, training: Mapping[str, Any]) -> str:
    """The command that trains such weights; settings at their defaults are left out."""
    default = about.default
    options = [
        f"--{name.replace('_', '-')} {training[name]}"
        for name in ("smears", "passes", "steps", "dense_steps", "minutes", "batch", "rate", "seed")
        if name in training and training[name] != getattr(default, name, None)
    ]
    if training.get("init"):
        options.append("--init WEIGHTS")
    return " ".join([f"cs3 train {name} {about.files}", *options])


def _settings(training: Mapping[str, Any]) -> str:
    if not training:
        return "The file does not say with which settings.\n"
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in training.items() if value != ""]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows, ""])


def _table(figures: Mapping[str, float]) -> str:
    rows = [
        f"| {name} | {value:.0f} |" if name in _COUNTS else f"| {name} | {value:.3f} |"
        for name, value in figures.items()
    ]
    return "\n".join(["| figure | value |", "| --- | --- |", *rows])
