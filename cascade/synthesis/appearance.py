"""What pictures of one laboratory look like, measured without labels, to draw smears like them.

A picture's appearance is a few dozen numbers: colours, widths, sharpness, noise, amounts. Nothing of the
picture itself, its name or its sperm is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from cascade.errors import ConfigError
from cascade.exports.atomic import whole_text
from cascade.types import FloatArray

VERSION = 1
FIELD = 160.0
"""Square head lengths of the field that the number of heads is given for."""
Colour = tuple[float, float, float]
_MOST_DENSE, _LARGEST_FILE = 6.0, 50_000_000


@dataclass(frozen=True)
class Appearance:
    """How one picture looks. Densities are optical, `-ln(transmitted / background)`, RGB.

    Attributes:
        width, height: pixels.
        head_length: median long axis of the heads, pixels.
        background: RGB of the empty slide, 0–255.
        nucleus, acrosome: densities of the dark and of the pale part of heads.
        midpiece, tail: densities on the centreline, close to a head and further away.
        tail_width: full width of flagella where contrast has fallen to 40 %, head lengths.
        blur: scale of the blur at the edges of heads, head lengths.
        noise: grey levels, standard deviation; grain: scale of its blur, pixels.
        mottle, haze: unevenness of the empty slide, densities, at about a tenth of a head length and at one.
        lamp: unevenness of the light over the picture, relative.
        bend: median change of a flagellum's direction over one head length, degrees.
        heads: number in a field of 160 square head lengths.
        debris: share of what is neither head nor flagellum that absorbs.
    """

    width: float
    height: float
    head_length: float
    background: Colour
    nucleus: Colour
    acrosome: Colour
    midpiece: Colour
    tail: Colour
    tail_width: float
    blur: float
    noise: float
    grain: float
    mottle: float
    haze: float
    lamp: float
    bend: float
    heads: float
    debris: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(math.isfinite(one) for one in numbers):
                raise ConfigError(f"{field.name} must be finite, got {value}; measure the appearance again")
        if min(self.width, self.height) < 16 or not 4 <= self.head_length <= 4 * max(self.width, self.height):
            raise ConfigError(
                f"expected a field of 16 px or more and a head length of 4 px or more, got "
                f"{self.width:g}×{self.height:g} and {self.head_length:g}; measure the appearance again"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return round(self.height), round(self.width)

    def varied(self, rng: np.random.Generator, spread: float = 0.06) -> Appearance:
        """Another picture like this one: every amount changed by about `spread`, size and scale kept."""
        changed: dict[str, float | Colour] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("width", "height"):
                continue
            if field.name in ("head_length", "background"):
                factor = float(np.exp(rng.normal(0, spread / 3)))
            else:
                factor = float(np.exp(rng.normal(0, spread * (3 if field.name in _VARIABLE else 1))))
            if isinstance(value, tuple):
                red, green, blue = (one * factor for one in value)
                changed[field.name] = (red, green, blue)
            else:
                changed[field.name] = value * factor
        return replace(self, **changed)  # type: ignore[arg-type]  # names and kinds are those of the fields


_VARIABLE = ("noise", "mottle", "haze", "lamp", "heads", "debris")
"""What differs most from field to field of one slide."""


def draw_from(appearances: Sequence[Appearance], rng: np.random.Generator) -> Appearance:
    """One of them at random, with some spread.

    Raises:
        ConfigError: there is none.
    """
    if not appearances:
        raise ConfigError("expected at least one measured appearance, got none; measure some pictures first")
    return appearances[int(rng.integers(len(appearances)))].varied(rng)


def save_appearances(path: Path, appearances: Sequence[Appearance]) -> None:
    """Write them as JSON, whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [
        {
            name: [round(one, 4) for one in value] if isinstance(value, tuple) else round(value, 4)
            for name, value in asdict(one).items()
        }
        for one in appearances
    ]
    with whole_text(path) as handle:
        json.dump({"cs3_appearance": VERSION, "pictures": rows}, handle, indent=1)
        handle.write("\n")


def load_appearances(path: Path) -> tuple[Appearance, ...]:
    """Read what `save_appearances` wrote.

    Raises:
        ConfigError: no such file, or not one of these.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ConfigError(f"{path}: expected an appearance, found a far larger file")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}: expected the JSON that `cs3 synthesize --like` saved, "
            f"found that it cannot be read: {error}"
        ) from error
    version = content.get("cs3_appearance") if isinstance(content, dict) else None
    if version != VERSION:
        raise ConfigError(
            f"{path}: expected an appearance of version {VERSION}, found {version!r}; "
            "measure it again with --like"
        )
    rows = content.get("pictures")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: expected a list of pictures, found none; measure it again with --like")
    return tuple(_parse(row, f"{path}, picture {number}") for number, row in enumerate(rows, start=1))


def _parse(row: object, where: str) -> Appearance:
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: expected an object, found {type(row).__name__}")
    values: dict[str, float | Colour] = {}
    for field in fields(Appearance):
        value: object = row.get(field.name)
        many = field.type == "Colour"
        numbers: list[Any] = value if many and isinstance(value, list) and len(value) == 3 else [value]
        if (many and len(numbers) != 3) or not all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= 1e6 for one in numbers
        ):
            kind = "three numbers" if many else "a number"
            raise ConfigError(f"{where}: expected {kind} of 0 or more as {field.name}, found {value!r}")
        values[field.name] = (
            (float(numbers[0]), float(numbers[1]), float(numbers[2])) if many else float(numbers[0])
        )
    try:
        return Appearance(**values)  # type: ignore[arg-type]  # checked above
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def as_colour(values: FloatArray) -> Colour:
    """`(3,)` densities or levels as plain numbers."""
    red, green, blue = (float(np.clip(one, 0, 255)) for one in values)
    return red, green, blue


def as_density(values: FloatArray) -> Colour:
    """`(3,)` measured densities, within what a photograph can tell."""
    return as_colour(np.clip(values, 0, _MOST_DENSE))
