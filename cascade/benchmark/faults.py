"""Faults put into good pictures: how strong must they be to be noted, and do they harm?

Light and stain multiply: a picture is its background times what the stain lets through, so that stain can be
strengthened, weakened, or laid over that of other fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cascade.benchmark.annotations import AnnotatedImage
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.figures import figures
from cascade.benchmark.image_score import ImageScore, score_image
from cascade.benchmark.method_score import MethodScore
from cascade.comparators.cs3 import found
from cascade.errors import ImageError
from cascade.images import read_image
from cascade.preprocess import background
from cascade.types import FloatArray, Result, UInt8Array

_NOISE = 1.5
"""Grey levels of a camera's noise, which a weaker stain does not weaken."""


def blurred(image: UInt8Array, sigma: float) -> UInt8Array:
    """Out of focus: a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def stained(image: UInt8Array, factor: float) -> UInt8Array:
    """With `factor` times the optical density of its stain."""
    light = background(image)
    noise = np.random.default_rng(0).normal(0, _NOISE, image.shape)
    return _levels(light * _passing(image, light) ** factor + noise)


def exposed(image: UInt8Array, factor: float) -> UInt8Array:
    """Taken with `factor` times the light."""
    return _levels(image.astype(np.float32) * factor)


def piled(images: Sequence[UInt8Array]) -> UInt8Array:
    """Fields laid over each other, on the background of the first.

    Raises:
        ImageError: they differ in size.
    """
    if len({one.shape for one in images}) > 1:
        sizes = ", ".join(sorted({f"{one.shape[1]}×{one.shape[0]}" for one in images}))
        raise ImageError(f"expected images of one size to lay over each other, found {sizes}; choose such")
    light = background(images[0])
    passing = [_passing(one, background(one)) for one in images]
    return _levels(light * np.prod(passing, axis=0))


def _passing(image: UInt8Array, light: FloatArray) -> FloatArray:
    """Share of the light that passes, at most a little more than all: noise goes to both sides."""
    return np.clip(image / np.maximum(light, 1.0), 1 / 255, 1.1)


def _levels(values: FloatArray) -> UInt8Array:
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8)


FAULTS: Mapping[str, tuple[float, ...]] = {
    "none": (0,),
    "blur": (0.04, 0.06, 0.08),
    "stain": (0.5, 0.25, 3, 5),
    "light": (1.1, 1.4, 0.15, 0.07),
    "fields": (2, 4),
}
"""Fault → strengths: sigma in head lengths; times the optical density; times the light; so many fields."""


@dataclass(frozen=True)
class Trial:
    """What a fault of one strength did to some images.

    Attributes:
        fault, strength: as in `FAULTS`.
        images: how many images.
        noted: how many of them got any note.
        kinds: how many got each kind of note.
        f1: at an IoU of 0.5, averaged over experts.
    """

    fault: str
    strength: float
    images: int
    noted: int
    kinds: Mapping[str, int]
    f1: float


def try_fault(
    fault: str,
    strength: float,
    files: Mapping[str, Path],
    experts: Sequence[Dataset],
    segment: Callable[[UInt8Array], Result],
    head_lengths: dict[str, float],
) -> Trial:
    """Put one fault into images, segment them, and score what is found.

    Args:
        fault, strength: as in `FAULTS`.
        files: file name → image.
        experts: the truth.
        segment: pixels → what is found in them.
        head_lengths: of the images without fault, pixels, which blur needs; those lacking are measured and
            added.

    Raises:
        ImageError: an image cannot be read, or there are too few, or of several sizes, to be piled.
    """
    kinds: Counter[str] = Counter()
    scores: dict[str, dict[str, ImageScore]] = {expert.name: {} for expert in experts}
    noted = 0
    for name in files:
        together = _piled_with(name, list(files), round(strength) if fault == "fields" else 1)
        pictures = [read_image(files[one]).pixels for one in together]
        if fault == "blur" and name not in head_lengths:
            head_lengths[name] = segment(pictures[0]).head_length
        result = segment(_faulty(pictures, fault, strength, head_lengths.get(name, 0.0)))
        if fault == "none":
            head_lengths[name] = result.head_length
        kinds.update(note.kind for note in result.notes)
        noted += bool(result.notes)
        predicted = AnnotatedImage.of(result.shape, found(result)).scored()
        for expert in experts:
            truth = [sperm for one in together for sperm in expert.images[one].sperm()]
            scores[expert.name][name] = score_image(truth, predicted, result.shape, ("head", "flagellum"))
    figure = figures(MethodScore("cs3", tuple(files), scores, ("head", "flagellum"))).get("F1", 0.0)
    return Trial(fault, strength, len(files), noted, kinds, figure)


def as_markdown(trials: Sequence[Trial]) -> str:
    """A row a trial."""
    lines = [
        "| fault | strength | F1 | images | with a note | which |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in trials:
        which = ", ".join(f"{kind} {count}" for kind, count in sorted(one.kinds.items())) or "–"
        strength = f"{one.strength:g}" if one.fault != "none" else "–"
        lines.append(f"| {one.fault} | {strength} | {one.f1:.2f} | {one.images} | {one.noted} | {which} |")
    return "\n".join(lines) + "\n"


def _piled_with(name: str, names: Sequence[str], count: int) -> list[str]:
    """An image and others far from it in the list: neighbours show the same slide."""
    if len(names) < count:
        raise ImageError(
            f"expected at least {count} images to lay over each other, found {len(names)}; choose more"
        )
    at = names.index(name)
    return [names[(at + number * len(names) // count) % len(names)] for number in range(count)]


def _faulty(pictures: Sequence[UInt8Array], fault: str, strength: float, head_length: float) -> UInt8Array:
    if fault == "blur":
        return blurred(pictures[0], strength * head_length)
    if fault == "stain":
        return stained(pictures[0], strength)
    if fault == "light":
        return exposed(pictures[0], strength)
    return piled(pictures) if fault == "fields" else pictures[0]
