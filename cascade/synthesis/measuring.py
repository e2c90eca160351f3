"""Picture → appearance: medians over what `tiny` takes for heads, flagella and empty slide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from cascade.errors import ConfigError
from cascade.geometry import smooth_polyline
from cascade.preprocess import WHITE, grown
from cascade.sam.tiny import Tiny
from cascade.skeleton import trace
from cascade.synthesis.appearance import FIELD, Appearance, as_colour, as_density
from cascade.synthesis.survey import Survey, look_at, readable
from cascade.types import BoolArray, FloatArray, UInt8Array
from cascade.widths import profile_width

_ABSORBS = 0.07
"""Optical density from which a pixel counts as stained: 15 grey levels on a bright slide."""
_FEWEST_PIXELS = 400
_USUAL = {"tail_width": 0.105, "bend": 16.0}
_WINDOW_HL = 0.2


@dataclass(frozen=True, eq=False)
class Measured:
    """What a folder gave.

    Attributes:
        appearances: of the pictures that show sperm.
        skipped: for every other file, its name and why.
    """

    appearances: tuple[Appearance, ...]
    skipped: tuple[str, ...]


def measure_files(
    files: Iterable[Path], model: Tiny, progress: Callable[[int], None] | None = None
) -> Measured:
    """Measure pictures; those that cannot be read or show no sperm are skipped and named.

    Raises:
        ConfigError: none of them shows sperm.
    """
    found: list[Appearance] = []
    skipped: list[str] = []
    for number, file in enumerate(files, start=1):
        for image in readable([file], skipped):
            appearance = appearance_of(look_at(image, model))
            if appearance is None:
                skipped.append(f"{file.name}: no sperm found")
            else:
                found.append(appearance)
        if progress is not None:
            progress(number)
    if not found:
        raise ConfigError(
            f"expected pictures of sperm, found none in {len(skipped)} files ({'; '.join(skipped[:3])}); "
            "use whole fields with heads and flagella in view"
        )
    return Measured(tuple(found), tuple(skipped))


def appearance_of(survey: Survey) -> Appearance | None:
    """The appearance of one picture; None where it shows no whole head or no flagellum."""
    unit, image = survey.head_length, survey.image
    density = _density(survey)
    head, tail = survey.maps.head > 0.5, survey.maps.tail > 0.5
    lines = _lines(tail & ~grown(head, 0.06 * unit), unit)
    empty = ~(grown(head, 0.25 * unit) | grown(survey.maps.tail > 0.2, 0.12 * unit))
    if not survey.heads or not lines or empty.sum() < _FEWEST_PIXELS:
        return None
    nucleus, acrosome = _head_colours(survey, density)
    far = ndimage.distance_transform_edt(~head)
    tails, width = _along(lines, density, far, (1.0, np.inf), unit)
    midpieces, _ = _along(lines, density, far, (0.1, 0.7), unit)
    if tails is None:
        return None
    light = np.asarray(cv2.GaussianBlur(image.astype(np.float32).mean(-1), (0, 0), 0.5 * unit), np.float32)
    noise, grain = _noise(image, empty & (density.max(-1) < _ABSORBS))
    mottle, haze = _unevenness(density, empty & (density.max(-1) < _ABSORBS), unit)
    return Appearance(
        width=float(image.shape[1]),
        height=float(image.shape[0]),
        head_length=unit,
        background=as_colour(np.median(image[empty], axis=0)),
        nucleus=as_density(nucleus),
        acrosome=as_density(acrosome),
        midpiece=as_density(tails if midpieces is None else midpieces),
        tail=as_density(tails),
        tail_width=width,
        blur=_edge_blur(density, survey, unit),
        noise=noise,
        grain=grain,
        mottle=mottle,
        haze=haze,
        lamp=float(np.std(light[empty])) / max(float(np.mean(light[empty])), 1.0),
        bend=_bend(lines, unit),
        heads=_head_count(head, unit) * FIELD / (head.size / unit**2),
        debris=float((density.max(-1)[empty] > 2 * _ABSORBS).mean()),
    )


def _density(survey: Survey) -> FloatArray:
    """`(height, width, 3)` optical density over the empty slide's."""
    levels = np.maximum(survey.normalised.astype(np.float32), 1.0)
    return np.asarray(-np.log(levels / WHITE), np.float32)


def _head_colours(survey: Survey, density: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Densities of the dark and of the pale part of heads: median darkest and palest third."""
    dark, pale = [], []
    for region in survey.heads:
        reach = max(1, round(0.05 * survey.head_length))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        inner = cv2.erode(np.pad(region.mask, 1).astype(np.uint8), disc)[1:-1, 1:-1] > 0
        rows = slice(region.y0, region.y0 + region.mask.shape[0])
        columns = slice(region.x0, region.x0 + region.mask.shape[1])
        colours = density[rows, columns][inner if inner.any() else region.mask]
        order = np.argsort(colours.sum(1))
        third = max(1, len(order) // 3)
        dark.append(np.median(colours[order[-third:]], axis=0))
        pale.append(np.median(colours[order[:third]], axis=0))
    return np.median(dark, axis=0), np.median(pale, axis=0)


def _lines(tail: BoolArray, unit: float) -> list[FloatArray]:
    """Centrelines of at least 0.8 head lengths, smoothed, points 0.05 head lengths apart."""
    branches = trace(tail, 0.15 * unit).branches
    return [
        smooth_polyline(branch.points, 0.05 * unit, 0.08 * unit)
        for branch in branches
        if branch.length > 0.8 * unit
    ]


def _along(
    lines: list[FloatArray],
    density: FloatArray,
    far: FloatArray,
    away: tuple[float, float],
    unit: float,
) -> tuple[FloatArray | None, float]:
    """Density on the centreline over that beside it, and width in head lengths.

    Taken from the median profile of stretches of lines, over points so many head lengths away from heads; the
    median over stretches. None, and the usual width, where there are none.
    """
    at = np.arange(-_WINDOW_HL * unit, _WINDOW_HL * unit + 0.5, 0.5)
    beside = np.abs(at) >= 0.7 * at.max()
    peaks, widths = [], []
    for line in lines:
        step = np.gradient(line, axis=0)
        step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-6)
        x, y = np.clip(np.rint(line), 0, np.array(far.shape[::-1]) - 1).astype(int).T
        wanted = (far[y, x] >= away[0] * unit) & (far[y, x] <= away[1] * unit)
        for part in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // 20)):
            if len(part) < 5:
                continue
            across = np.stack([-step[part, 1], step[part, 0]], -1)
            places = line[part, None] + at[None, :, None] * across[:, None]
            where = [places[..., 1], places[..., 0]]
            profile = np.stack(
                [
                    np.median(ndimage.map_coordinates(one, where, order=1, mode="nearest"), axis=0)
                    for one in np.moveaxis(density, -1, 0)
                ]
            )
            middle = np.abs(at) < 0.02 * unit + 0.6
            peaks.append(profile[:, middle].mean(1) - np.median(profile[:, beside], axis=1))
            widths.append(profile_width(255 * profile.mean(0), at, np.nan) / unit)
    if not peaks:
        return None, _USUAL["tail_width"]
    known = np.array(widths)[np.isfinite(widths)]
    return np.median(peaks, axis=0), float(np.median(known)) if len(known) else _USUAL["tail_width"]


def _edge_blur(density: FloatArray, survey: Survey, unit: float) -> float:
    """Scale of the blur at heads' edges, head lengths.

    An edge of contrast c blurred by a Gaussian of scale s has the slope c / (s √(2π)). Both are read within a
    narrow band around each head's outline, from the light that comes through.
    """
    light = np.exp(-density.mean(-1))
    slope = np.hypot(*np.gradient(light))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * max(2, round(0.12 * unit)) + 1,) * 2)
    contrast = cv2.dilate(light, disc) - cv2.erode(light, disc)
    steepest = cv2.dilate(slope, disc)
    outline = np.zeros(light.shape, bool)
    for region in survey.heads:
        outline |= region.full(light.shape)
    outline &= ~ndimage.binary_erosion(outline)
    spread = contrast[outline] / np.maximum(steepest[outline], 1e-6) / np.sqrt(2 * np.pi)
    return float(np.median(spread) / unit)


def _noise(image: UInt8Array, empty: BoolArray) -> tuple[float, float]:
    """Standard deviation of fine noise on the empty slide, grey levels, and the scale of its blur, pixels.

    Noise blurred by a Gaussian of scale s has the correlation exp(-1 / 4s²) between neighbours.
    """
    grey = image.astype(np.float32).mean(-1)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 2.0)
    both = empty[:, 1:] & empty[:, :-1]
    if both.sum() < _FEWEST_PIXELS:
        return 1.0, 0.5
    limit = 4 * 1.4826 * np.median(np.abs(fine[empty])) + 0.5
    left, right = np.clip(fine[:, :-1][both], -limit, limit), np.clip(fine[:, 1:][both], -limit, limit)
    correlation = float(np.clip((left * right).mean() / max((left**2).mean(), 1e-6), 0.01, 0.9))
    return float(np.sqrt((left**2).mean())), float(np.sqrt(1 / (4 * np.log(1 / correlation))))


def _unevenness(density: FloatArray, empty: BoolArray, unit: float) -> tuple[float, float]:
    """Robust spread of the empty slide's density, at about a tenth of a head length and at one."""
    grey = density.mean(-1) * empty
    known = empty.astype(np.float32)

    def smooth(sigma: float) -> FloatArray:
        """Blur of the empty slide alone."""
        weight = cv2.GaussianBlur(known, (0, 0), sigma * unit)
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma * unit) / np.maximum(weight, 1e-3))

    fine, middle, coarse = smooth(0.04), smooth(0.2), smooth(1.0)
    bands = (np.median(np.abs(fine - middle)[empty]), np.median(np.abs(middle - coarse)[empty]))
    return 1.4826 * float(bands[0]), 1.4826 * float(bands[1])


def _bend(lines: list[FloatArray], unit: float) -> float:
    """Median change of direction over one head length, degrees."""
    turns = []
    for line in lines:
        step = np.diff(line, axis=0)
        apart = max(2, round(unit / max(float(np.median(np.linalg.norm(step, axis=1))), 1e-6)))
        if len(step) <= apart + 4:
            continue
        angle = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
        turns.append(np.abs(angle[apart:] - angle[:-apart]))
    return float(np.degrees(np.median(np.concatenate(turns)))) if turns else _USUAL["bend"]


def _head_count(head: BoolArray, unit: float) -> float:
    """Heads in view, touching ones by their area, cut ones by what is in view."""
    labels, count = ndimage.label(head)
    areas = np.bincount(labels.ravel())[1:] / (0.46 * unit**2) if count else np.zeros(0)
    return float(np.where(areas > 0.25, np.maximum(areas, 0.5), 0).round(2).sum())
