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
from cascade.sam.tiny import ARCHITECTURE, WORKING_HEAD_LENGTH, read_training
from cascade.training.settings import TinyTraining

_COUNTS = ("images", "sperm", "predicted")  # figures without a fraction


def write_card(weights: Path, scores: Path, scored_on: str, note: str = "") -> Path:
    """Write the card of weights beside them.

    Args:
        weights: written by `cs3 train tiny`.
        scores: JSON of figure → value, as `cs3 score --json` prints it.
        scored_on: the images and the truth that the figures are of.
        note: what else a reader should know.

    Returns:
        The card's path: the weights' with the suffix `.md`.

    Raises:
        AnnotationError: the scores are not what `cs3 score --json` prints.
        ModelError: the weights are missing, damaged, or of another architecture.
        OutputError: the card cannot be written.
    """
    training = read_training(weights)
    figures = _figures(scores)
    path = weights.with_suffix(".md")
    with whole_text(path) as file:
        file.write(_card(weights, training, figures, scored_on, note))
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
    weights: Path, training: Mapping[str, Any], figures: Mapping[str, float], scored_on: str, note: str
) -> str:
    return f"""# {weights.stem}

A promptable segmentation model for stained sperm: Segment Anything's prompt encoder and mask decoder behind a
small convolutional image encoder ({_parameters(weights):,} parameters). For prompts on a sperm it returns the
whole sperm, its head, or its flagellum; without prompts it offers dense maps of heads, flagella and their
direction. For research use, not a medical device.

| | |
| --- | --- |
| file | `{weights.name}`, {weights.stat().st_size:,} bytes, half precision |
| sha256 | `{sha256_of(weights)}` |
| architecture | `{ARCHITECTURE}` |
| licence | Apache-2.0 |
| use | `cs3 segment --model {weights.name} INPUT... --out DIR` |

## Training

**Data**: synthetic smears alone, drawn while it learnt. No human labels and no photographs were used, so no
condition of any data set applies to the weights.

**Command**: `{_command(training)}`

{_settings(training)}
{_paragraph(note)}## What it reaches

Scored on: {scored_on}

{_table(figures)}

## Limits

Synthetic smears look like bright-field photographs of stained smears; CS3 rescales an image so that a head is
about {WORKING_HEAD_LENGTH:.0f} pixels long. Unstained, fluorescent and phase-contrast images are outside
what it was taught. It does not judge morphology, and its masks are no diagnosis.
"""


def _paragraph(text: str) -> str:
    return f"{text}\n\n" if text else ""


def _parameters(weights: Path) -> int:
    """Number of values in the file, buffers of normalisation included."""
    with safe_open(weights, "pt") as file:
        return sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118


def _command(training: Mapping[str, Any]) -> str:
    """The command that trains such weights; settings at their defaults are left out."""
    default = TinyTraining()
    options = [
        f"--{name.replace('_', '-')} {training[name]}"
        for name in ("steps", "dense_steps", "batch", "rate", "seed")
        if name in training and training[name] != getattr(default, name)
    ]
    if training.get("init"):
        options.append("--init WEIGHTS")
    return " ".join(["cs3 train tiny --out DIR", *options])


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
