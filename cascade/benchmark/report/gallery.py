"""The best, median and worst images of a method beside the truth: outlines over photographs, all inline."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cascade.benchmark.annotations import HEAD_PARTS, WHOLE, AnnotatedImage, AnnotatedSperm
from cascade.benchmark.image_score import ImageScore
from cascade.exports.colours import apart
from cascade.images import read_image
from cascade.types import Region

_WIDTH = 900  # of a photograph in the page, pixels
_QUALITY = 68
_TOLERANCE = 0.8  # pixels by which an outline may be simplified
COLOURS = 6


@dataclass(frozen=True)
class Choice:
    """An image to show; `why` is "best", "median" or "worst"."""

    why: str
    image: str
    value: float


def choose(by_image: Mapping[str, Mapping[str, float]], figure: str = "mIoU") -> list[Choice]:
    """Best, median and worst image by a figure, each once; fewer where there are fewer images."""
    ranked = sorted((values[figure], name) for name, values in by_image.items() if figure in values)
    ranked = [(value, name) for value, name in ranked if np.isfinite(value)]
    if not ranked:
        return []
    places = {"best": len(ranked) - 1, "median": (len(ranked) - 1) // 2, "worst": 0}
    chosen = {why: ranked[place] for why, place in places.items()}
    seen: set[str] = set()
    choices = []
    for why, (value, name) in chosen.items():
        if name not in seen:
            choices.append(Choice(why, name, value))
            seen.add(name)
    return choices


class Photographs:
    """The photographs that a page shows, each held once however often it is shown.

    Args:
        files: file name → image file.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._numbers: dict[str, int] = {}

    def use(self, name: str, shape: tuple[int, int]) -> str:
        """An SVG element that shows a photograph over a picture of `(height, width)`."""
        number = self._numbers.setdefault(name, len(self._numbers))
        return f'<use href="#photo{number}" width="{shape[1]}" height="{shape[0]}"/>'

    def symbols(self) -> str:
        """The hidden element that all `use` refer to.

        Raises:
            ImageError: an image cannot be read.
        """
        parts = [self._symbol(name, number) for name, number in self._numbers.items()]
        return f'<svg class="hidden" aria-hidden="true">{"".join(parts)}</svg>' if parts else ""

    def _symbol(self, name: str, number: int) -> str:
        pixels = read_image(self._files[name]).pixels
        height, width = pixels.shape[:2]
        picture = Image.fromarray(pixels)
        picture.thumbnail((_WIDTH, _WIDTH * height // width + 1))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        image = f'<image width="{width}" height="{height}" href="data:image/jpeg;base64,{data}"/>'
        return f'<symbol id="photo{number}" viewBox="0 0 {width} {height}">{image}</symbol>'


def side_by_side(
    name: str,
    truth: AnnotatedImage,
    found: AnnotatedImage | None,
    score: ImageScore,
    photographs: Photographs,
) -> tuple[str, str]:
    """Two pictures of one image: what an expert outlined, and what a method found.

    A pair has one colour on both sides; what has no counterpart is dashed; predicted flagella without a head,
    which are not scored, are dotted.
    """
    true = truth.scored()
    everything = [] if found is None else found.sperm()
    headless = [sperm for sperm in everything if not sperm.has((*HEAD_PARTS, WHOLE))]
    scored = [sperm for sperm in everything if sperm not in headless]
    colours = apart([sperm.whole.box for sperm in true], range(len(true)), COLOURS)
    mates = {int(mate): index for index, mate in enumerate(score.mates) if mate >= 0}
    left = [
        _outline(sperm, f"o{colours[i]}" if score.mates[i] >= 0 else "lone", _told(score, i))
        for i, sperm in enumerate(true)
    ]
    right = [
        _outline(sperm, f"o{colours[mates[p]]}", _told(score, mates[p]))
        if p in mates
        else _outline(sperm, "lone", "no counterpart")
        for p, sperm in enumerate(scored)
    ]
    stray = [_outline(sperm, "stray", "without a head: not scored") for sperm in headless]
    return (
        _picture(name, truth.shape, left, photographs, "outlined by an expert"),
        _picture(name, truth.shape, stray + right, photographs, "found by the method"),
    )


def _told(score: ImageScore, true: int) -> str:
    return f"IoU {score.paired[true]:.2f}" if score.mates[true] >= 0 else "not found"


def _picture(
    name: str, shape: tuple[int, int], outlines: Sequence[str], photographs: Photographs, what: str
) -> str:
    box = f'viewBox="0 0 {shape[1]} {shape[0]}"'
    inside = photographs.use(name, shape) + "".join(outlines)
    return f'<svg class="photo" {box} role="img" aria-label="{escape(f"{name}, {what}")}">{inside}</svg>'


def _outline(sperm: AnnotatedSperm, cls: str, title: str) -> str:
    rings = "".join(_rings(region) for region in (sperm.head, sperm.flagellum) if region.area)
    rings = rings or _rings(sperm.whole)
    return f'<path class="{cls}" d="{rings}"><title>{escape(title)}</title></path>' if rings else ""


def _rings(region: Region) -> str:
    """Outlines and holes of a region as path data, simplified."""
    found, _ = cv2.findContours(region.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for ring in found:
        corners = cv2.approxPolyDP(ring, _TOLERANCE, closed=True)[:, 0]
        if len(corners) > 2:
            steps = np.diff(corners, axis=0)
            x, y = int(corners[0, 0]) + region.x0, int(corners[0, 1]) + region.y0
            parts.append(f"M{x} {y}l" + " ".join(f"{dx} {dy}" for dx, dy in steps.tolist()) + "z")
    return "".join(parts)
