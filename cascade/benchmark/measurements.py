"""Whether measurements agree: a method's against each expert's, and experts' among each other.

Sperm are paired as in scoring; only pairs whose IoU is 0.5 or more are compared, since a measurement of
another sperm is no measurement error.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from cascade.benchmark.annotations import AnnotatedSperm, Identity
from cascade.benchmark.bland_altman import MeasurementAgreement, agree
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.image_score import overlaps, pair
from cascade.benchmark.intervals import RESAMPLES, resampled
from cascade.benchmark.measuring import MEASURES, measure_outline
from cascade.errors import AnnotationError
from cascade.types import FloatArray

__all__ = [
    "MEASURES",
    "MeasurementAgreement",
    "expert_measurements",
    "measure_outlines",
    "method_measurements",
    "read_table",
]

LEAST = 0.5
Values = dict[str, float]
Outlines = Mapping[str, Sequence[Values]]
"""Image → the measures of every outlined sperm, in the order of the file."""
Table = Mapping[tuple[str, str], Values]
"""File name and sperm id → measure → value."""


def method_measurements(
    predicted: Dataset,
    experts: Sequence[Dataset],
    images: Sequence[str],
    table: Path | None = None,
    *,
    known: Mapping[str, Outlines] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, MeasurementAgreement]]:
    """A method's measurements against those of every expert's outlines.

    Args:
        predicted: what the method found.
        experts: the truth.
        images: file names to look at.
        table: a `sperm.csv` of the same prediction, whose values are taken; None measures its outlines in the
            same way as the experts'.
        known: expert → what `measure_outlines` gave: for many methods, measure the experts once.
        resamples: how often images are drawn for the intervals.
        seed: of the draws.

    Returns:
        Expert → measure → agreement, method less expert.

    Raises:
        AnnotationError: a mask or the table is damaged, or there is no image.
    """
    measured: list[Outlines] = [
        measure_outlines(predicted, images)
        if table is None
        else _from_table(read_table(table), predicted, images)
    ]
    measured += [(known or {}).get(one.name) or measure_outlines(one, images) for one in experts]
    raters = [predicted, *experts]
    pairs = [(0, e) for e in range(1, len(raters))]
    found = _compare(raters, measured, pairs, images, resampled(len(images), resamples, seed))
    return {experts[e - 1].name: measures for (_, e), measures in found.items()}


def expert_measurements(
    experts: Sequence[Dataset],
    images: Sequence[str],
    *,
    known: Mapping[str, Outlines] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[tuple[str, str], dict[str, MeasurementAgreement]]:
    """Every pair of experts → measure → agreement, first less second; arguments as for a method.

    Raises:
        AnnotationError: a mask is damaged, or there is no image.
    """
    pairs = list(combinations(range(len(experts)), 2))
    measured = [(known or {}).get(one.name) or measure_outlines(one, images) for one in experts]
    found = _compare(experts, measured, pairs, images, resampled(len(images), resamples, seed))
    return {(experts[a].name, experts[b].name): measures for (a, b), measures in found.items()}


def measure_outlines(rater: Dataset, images: Sequence[str]) -> dict[str, list[Values]]:
    """Every measure of every sperm that a rater outlined in these images.

    Raises:
        AnnotationError: a mask is damaged.
    """
    return {
        name: [measure_outline(one, rater.images[name].shape) for one in rater.images[name].sperm()]
        for name in images
        if name in rater.images
    }


def read_table(path: Path) -> Table:
    """The measures in a `sperm.csv`; empty fields are left out.

    Raises:
        AnnotationError: it cannot be read, lacks a column, repeats a sperm, or holds text for a number.
    """
    found: dict[tuple[str, str], Values] = {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(handle)
            missing = {"file_name", "sperm_id", *MEASURES} - set(rows.fieldnames or ())
            if missing:
                raise AnnotationError(
                    f"{path}: expected the columns of sperm.csv, found {', '.join(sorted(missing))} missing; "
                    "give the table that cs3 segment wrote"
                )
            for row in rows:
                key = row["file_name"], row["sperm_id"]
                if key in found:
                    raise AnnotationError(
                        f"{path}: line {rows.line_num}: expected every sperm once, found {key[1]} of "
                        f"{key[0]} again; write the table again"
                    )
                found[key] = {name: float(row[name]) for name in MEASURES if row[name]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{path}: cannot be read ({error}); check the path") from error
    except (ValueError, TypeError) as error:
        raise AnnotationError(
            f"{path}: line {rows.line_num}: expected numbers, found other text ({error}); write it again"
        ) from error
    return found


def _compare(
    raters: Sequence[Dataset],
    measured: Sequence[Outlines],
    pairs: Sequence[tuple[int, int]],
    images: Sequence[str],
    weights: FloatArray,
) -> dict[tuple[int, int], dict[str, MeasurementAgreement]]:
    """Image by image, so that every mask is decoded once."""
    points: dict[tuple[int, int], dict[str, list[tuple[float, float, int]]]] = {
        both: {name: [] for name in MEASURES} for both in pairs
    }
    for number, image in enumerate(images):
        outlined = [rater.images[image].sperm() if image in rater.images else [] for rater in raters]
        for a, b in pairs:
            for i, j in _same(outlined[a], outlined[b]):
                first, second = measured[a][image][i], measured[b][image][j]
                for name in first.keys() & second.keys():
                    points[a, b][name].append((first[name], second[name], number))
    found: dict[tuple[int, int], dict[str, MeasurementAgreement]] = {}
    for both, measures in points.items():
        columns = {name: np.array(several, float).reshape(-1, 3) for name, several in measures.items()}
        found[both] = {
            name: agree(values[:, :2], values[:, 2].astype(int), weights) for name, values in columns.items()
        }
    return found


def _from_table(table: Table, rater: Dataset, images: Sequence[str]) -> dict[str, list[Values]]:
    return {
        name: [_row(table, name, sperm_id) for sperm_id in rater.images[name].pieces]
        for name in images
        if name in rater.images
    }


def _row(table: Table, image: str, sperm_id: Identity) -> Values:
    try:
        return table[image, str(sperm_id)]
    except KeyError as error:
        raise AnnotationError(
            f"expected sperm {sperm_id} of {image} in the table of measurements, found no such row; give the "
            "table of the same run"
        ) from error


def _same(first: Sequence[AnnotatedSperm], second: Sequence[AnnotatedSperm]) -> list[tuple[int, int]]:
    overlap = overlaps(first, second)
    return [(i, int(j)) for i, j in enumerate(pair(overlap)) if j >= 0 and overlap[i, j] >= LEAST]
