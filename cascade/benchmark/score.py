"""The yardstick: a prediction against one or more experts.

In every image, predicted sperm are paired with true ones, one to one, so that the summed IoU of whole sperm
is the largest. Mean IoU, part and centreline figures run over all true sperm, 0 where nothing is paired;
precision, F1, PQ and AP also pay for what was predicted too much. Predicted sperm without a head are left
out: experts outline none. Parsing figures use the finest parts that the prediction separates: acrosome,
nucleus and vacuole, or head; midpiece and tail, or flagellum.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from cascade.benchmark.annotations import (
    FLAGELLUM_PARTS,
    HEAD_PARTS,
    AnnotatedImage,
    AnnotatedSperm,
    read_annotations,
)
from cascade.errors import AnnotationError
from cascade.types import FloatArray, Region

Annotations = Mapping[str, AnnotatedImage]

_LEVELS = np.arange(0.5, 1.0, 0.05)  # of whole-sperm IoU, as in COCO
_PART_LEVELS = np.arange(0.1, 1.0, 0.1)  # of mean part IoU, as in parsing benchmarks (APp, "vol")
_PART_GROUPS = {
    "head": HEAD_PARTS,
    "midpiece": ("midpiece",),
    "tail": ("tail",),
    "flagellum": FLAGELLUM_PARTS,
    "acrosome": ("acrosome",),
    "nucleus": ("nucleus",),
    "vacuole": ("vacuole",),
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def score_files(
    truths: Sequence[Path],
    prediction: Path,
    *,
    images: Collection[str] | None = None,
    until: date | None = None,
    after: date | None = None,
) -> dict[str, float]:
    """Score a prediction against every truth and average the figures.

    Args:
        truths: COCO-style files, one an expert.
        prediction: COCO-style file; an image that it lacks counts as one without sperm.
        images: file names to score; all where None.
        until, after: score images whose names hold a date (`YYYY-MM-DD`) up to and including, or later than,
            this one.

    Returns:
        Figure → value; counts first. `length error` is a median, everything else a mean or a ratio.

    Raises:
        AnnotationError: a file is damaged (see `read_annotations`); the prediction holds images that a truth
            lacks, or of another size; a name to filter by is unknown or holds no date; or nothing is left to
            score.
    """
    if not truths:
        raise AnnotationError("expected at least one truth file, found none; name one")
    predicted = read_annotations(prediction)
    experts = [read_annotations(path) for path in truths]
    for path, expert in zip(truths, experts, strict=True):
        _refuse_strangers(predicted, expert, prediction, path)
    known = list(dict.fromkeys(name for expert in experts for name in expert))
    names = select_images(known, images=images, until=until, after=after)
    fine = _finest_parts(predicted, names)
    tallies = [_Tally(fine) for _ in experts]
    for name in names:
        found = predicted[name].sperm() if name in predicted else []
        for expert, tally in zip(experts, tallies, strict=True):
            if name in expert:
                tally.add(expert[name].sperm(), found, expert[name].shape)
    for path, tally in zip(truths, tallies, strict=True):
        if not tally.paired:
            raise AnnotationError(
                f"{path}: expected at least one sperm in the images to score, found none; check the filters"
            )
    runs = [tally.figures() for tally in tallies]
    return {name: _mean(run[name] for run in runs if name in run) for name in runs[0]}


def _refuse_strangers(predicted: Annotations, expert: Annotations, prediction: Path, truth: Path) -> None:
    strangers = sorted(set(predicted) - set(expert))
    if strangers:
        raise AnnotationError(
            f"{prediction}: expected images that {truth} holds, found {len(strangers)} others, first "
            f"{strangers[0]!r}; take them out or name the truth they belong to"
        )
    for name, image in predicted.items():
        if image.shape != expert[name].shape:
            raise AnnotationError(
                f"{prediction}: {name}: expected height, width {expert[name].shape} as in {truth}, found "
                f"{image.shape}; predict on the original image"
            )


def select_images(
    names: Sequence[str],
    *,
    images: Collection[str] | None = None,
    until: date | None = None,
    after: date | None = None,
) -> list[str]:
    """The names that pass every filter of `score_files`, in the order given.

    Raises:
        AnnotationError: `images` holds an unknown name, or a name to filter by holds no date.
    """
    unknown = sorted(set(images or ()) - set(names))
    if unknown:
        raise AnnotationError(f"expected images that the truth holds, found {unknown[0]!r}; correct the list")
    chosen = [name for name in names if images is None or name in images]
    if until is not None:
        chosen = [name for name in chosen if _date_in(name) <= until]
    if after is not None:
        chosen = [name for name in chosen if _date_in(name) > after]
    return chosen


def _date_in(name: str) -> date:
    written = _DATE.search(name)
    try:
        return date.fromisoformat(written.group() if written else "")
    except ValueError as error:
        raise AnnotationError(
            f"expected a date (YYYY-MM-DD) in every name to filter by, found {name!r}; list images instead"
        ) from error


def _finest_parts(predicted: Annotations, names: Iterable[str]) -> tuple[str, ...]:
    parts = {part for name in names if name in predicted for part in predicted[name].parts}
    head = HEAD_PARTS[:3] if "nucleus" in parts else ("head",)
    return head + (FLAGELLUM_PARTS if "midpiece" in parts else ("flagellum",))


@dataclass
class _Tally:
    """What one expert's comparison adds up, image by image."""

    fine: tuple[str, ...]
    predicted: int = 0
    images: int = 0
    paired: list[float] = field(default_factory=list)
    hits: dict[float, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    part_hits: dict[float, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))
    part_iou: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    correct_parts: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    length_error: list[float] = field(default_factory=list)
    common: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    either: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(
        self, truth: Sequence[AnnotatedSperm], found: Sequence[AnnotatedSperm], shape: tuple[int, int]
    ) -> None:
        """Add one image."""
        found = [sperm for sperm in found if sperm.has(HEAD_PARTS)]
        overlap = np.array([[t.whole.iou(p.whole) for p in found] for t in truth]).reshape(
            len(truth), len(found)
        )
        mates = _pair(overlap)
        self.images += 1
        self.predicted += len(found)
        self.paired += [overlap[t, mates[t]] if t in mates else 0.0 for t in range(len(truth))]
        pairs = [(sperm, found[mates[t]] if t in mates else None) for t, sperm in enumerate(truth)]
        self._add_parts(pairs)
        self._add_centrelines(pairs, found)
        true_parts, found_parts = [self._split(s) for s in truth], [self._split(s) for s in found]
        part_overlap = _part_overlap(overlap, true_parts, found_parts)
        scores = [sperm.score for sperm in found]
        _claim_all(self.hits, overlap, scores, _LEVELS)
        _claim_all(self.part_hits, part_overlap, scores, _PART_LEVELS)
        self._add_areas(true_parts, found_parts, shape)

    def _split(self, sperm: AnnotatedSperm) -> dict[str, Region]:
        """The parts that a sperm has, as fine as the prediction separates them."""
        return {name: sperm.union(_PART_GROUPS[name]) for name in self.fine if sperm.has(_PART_GROUPS[name])}

    def _add_parts(self, pairs: Sequence[tuple[AnnotatedSperm, AnnotatedSperm | None]]) -> None:
        for truth, mate in pairs:
            iou = {
                name: truth.union(group).iou(mate.union(group)) if mate else 0.0
                for name, group in _PART_GROUPS.items()
                if truth.has(group)
            }
            for name, value in iou.items():
                self.part_iou[name].append(value)
            self.correct_parts.append(_mean(iou[name] >= 0.5 for name in self.fine if name in iou))

    def _add_centrelines(
        self, pairs: Sequence[tuple[AnnotatedSperm, AnnotatedSperm | None]], found: Sequence[AnnotatedSperm]
    ) -> None:
        truth_of = {id(mate): truth for truth, mate in pairs if mate is not None}
        for truth, mate in pairs:
            if truth.has(FLAGELLUM_PARTS):
                self.recall.append(_covered(truth, mate))
                self.length_error.append(_length_error(truth, mate))
        for sperm in found:
            if sperm.has(FLAGELLUM_PARTS):
                self.precision.append(_covered(sperm, truth_of.get(id(sperm))))

    def _add_areas(
        self,
        truth: Sequence[Mapping[str, Region]],
        found: Sequence[Mapping[str, Region]],
        shape: tuple[int, int],
    ) -> None:
        for name in self.fine:
            if any(name in parts for parts in (*truth, *found)):
                a, b = (_paint((p[name] for p in some if name in p), shape) for some in (truth, found))
                self.common[name] += int(np.count_nonzero(a & b))
                self.either[name] += int(np.count_nonzero(a | b))

    def figures(self) -> dict[str, float]:
        """All figures; counts first."""
        paired = np.array(self.paired)
        good = paired >= 0.5
        hit, true = int(good.sum()), len(paired)
        return {
            "images": float(self.images),
            "sperm": float(true),
            "predicted": float(self.predicted),
            "mIoU": _mean(paired),
            "mDice": _mean(2 * paired / (1 + paired)),
            "recall50": hit / true,
            "precision50": hit / max(1, self.predicted),
            "F1": 2 * hit / (true + self.predicted),
            "PQ": 2 * float(paired[good].sum()) / (true + self.predicted),
            "AP": _mean(average_precision(self.hits[level], true) for level in _LEVELS),
            "AP50": average_precision(self.hits[_LEVELS[0]], true),
            "AP75": average_precision(self.hits[_LEVELS[5]], true),
            **{f"{name} IoU": _mean(values) for name, values in self.part_iou.items()},
            "centreline recall": _mean(self.recall),
            "centreline precision": _mean(self.precision),
            "length error": float(np.median(self.length_error)) if self.length_error else 0.0,
            "parsing mIoU": _mean(self.common[name] / max(1, self.either[name]) for name in self.either),
            "APp50": average_precision(self.part_hits[_PART_LEVELS[4]], true),
            "APpvol": _mean(average_precision(self.part_hits[level], true) for level in _PART_LEVELS),
            "PCP50": _mean(self.correct_parts),
        }


def average_precision(hits: Sequence[tuple[float, bool]], true: int) -> float:
    """All-point average precision.

    Args:
        hits: `(score, hit or not)` of every prediction.
        true: number of true sperm.
    """
    if not true or not hits:
        return 0.0
    hit = np.array([hit for _, hit in sorted(hits, key=lambda pair: -pair[0])], float)
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * hit).sum() / true)


def _pair(overlap: FloatArray) -> dict[int, int]:
    """Truth → prediction, one to one, with the largest sum; pairs without overlap left out."""
    rows, columns = linear_sum_assignment(-overlap)
    return {int(t): int(p) for t, p in zip(rows, columns, strict=True) if overlap[t, p] > 0}


def _part_overlap(
    overlap: FloatArray, truth: Sequence[Mapping[str, Region]], found: Sequence[Mapping[str, Region]]
) -> FloatArray:
    """Mean part IoU of every pair that overlaps; a part that only one of them has counts as 0."""
    out = np.zeros_like(overlap)
    for t, p in zip(*np.nonzero(overlap), strict=True):
        names = truth[t].keys() | found[p].keys()
        both = truth[t].keys() & found[p].keys()
        out[t, p] = sum(truth[t][name].iou(found[p][name]) for name in both) / max(1, len(names))
    return out


def _claim_all(
    hits: dict[float, list[tuple[float, bool]]],
    overlap: FloatArray,
    scores: Sequence[float],
    levels: FloatArray,
) -> None:
    """At every level, in order of score, each prediction takes the best true sperm still free: hit or not."""
    order = sorted(range(len(scores)), key=lambda p: -scores[p])
    for level in levels:
        free = overlap.copy()
        for p in order:
            best = int(free[:, p].argmax()) if len(free) else -1
            hit = best >= 0 and free[best, p] >= level
            hits[level].append((scores[p], bool(hit)))
            if hit:
                free[best] = -1.0


def _covered(sperm: AnnotatedSperm, other: AnnotatedSperm | None) -> float:
    """Share of a sperm's centreline that lies on the other's flagellum."""
    if other is None:
        return 0.0
    return sperm.centreline.intersection_area(other.flagellum) / max(1, sperm.centreline.area)


def _length_error(truth: AnnotatedSperm, mate: AnnotatedSperm | None) -> float:
    if mate is None or not mate.has(FLAGELLUM_PARTS):
        return 1.0
    return abs(mate.centreline.area - truth.centreline.area) / max(1, truth.centreline.area)


def _paint(regions: Iterable[Region], shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, bool)
    for region in regions:
        x0, y0, x1, y1 = region.box
        canvas[y0:y1, x0:x1] |= region.mask
    return canvas


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else 0.0
