"""How far raters agree: experts among each other, and with a method as if it were one more of them.

Three views: each rater scored like a method against the others; labels of pixels (Fleiss' kappa, and how many
of the marked pixels all, some or one of them marked); and sperm (outlined by all, some or one of them). With
three raters the last two are the *total*, *partial* and *no* agreement of annotated data sets such as SCIAN
(Chang et al., *Computers in Biology and Medicine* 83, 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.benchmark.clusters import same_sperm
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.figure_table import ratio
from cascade.benchmark.intervals import RESAMPLES, Interval, interval, resampled
from cascade.benchmark.method_score import MethodScore, Watch, score_method
from cascade.errors import AnnotationError
from cascade.types import FloatArray, UInt8Array

KINDS = ("sperm", "head", "flagellum", "parts")
"""What pixels are looked at: sperm or background, and so on; `parts`: background, head, flagellum at once."""


@dataclass(frozen=True)
class PixelAgreement:
    """Raters pixel by pixel.

    Attributes:
        kappa: Fleiss' kappa over all pixels: 1 full agreement, 0 as by chance.
        total, partial, none: shares of the pixels that anyone marked which got the same mark from all, from
            some (two or more, not all), from one alone; they add up to 1.
    """

    kappa: Interval
    total: Interval
    partial: Interval
    none: Interval

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return {name: getattr(self, name).as_json() for name in ("kappa", "total", "partial", "none")}


@dataclass(frozen=True)
class SpermAgreement:
    """Raters sperm by sperm. Kappa is not defined: no rater can pass over a sperm that nobody outlined.

    Attributes:
        raters: their names.
        sperm: number of different sperm.
        total, partial, none: shares of them outlined by all, by some (two or more, not all), by one alone.
        by_rater: rater → number of its sperm of each kind.
    """

    raters: tuple[str, ...]
    sperm: int
    total: Interval
    partial: Interval
    none: Interval
    by_rater: Mapping[str, Mapping[str, int]]

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        shares = {name: getattr(self, name).as_json() for name in ("total", "partial", "none")}
        return asdict(self) | {"raters": list(self.raters)} | shares


def expert_scores(
    experts: Sequence[Dataset], images: Sequence[str], watch: Watch | None = None
) -> list[MethodScore]:
    """Every expert scored as if a method, against the others; `.against(name)` is one pair.

    Args:
        experts: at least two.
        images: file names, annotated by all of them.
        watch: told of progress.

    Raises:
        AnnotationError: there are fewer than two, a mask is damaged, or an expert has no sperm in the images.
    """
    _need_two(experts)
    found = []
    for number, expert in enumerate(experts):
        others = [other for other in experts if other is not expert]
        done = number * len(images)
        told = None if watch is None else _shifted(watch, done, len(experts) * len(images))
        found.append(score_method(expert.name, expert.images, others, images, told))
    return found


def _shifted(watch: Watch, done: int, total: int) -> Watch:
    return lambda here, _: watch(done + here, total)


def pixel_agreement(
    raters: Sequence[Dataset], images: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, PixelAgreement]:
    """Agreement of raters on every pixel, for each of `KINDS`; a method may be one of them.

    Sperm without a head count for nobody. An image that a rater lacks is one in which it marked nothing.
    Where head and flagellum overlap, the pixel is the head's.

    Raises:
        AnnotationError: there are fewer than two raters, no image, or a mask is damaged.
    """
    _need_two(raters)
    _need_images(images)
    tallies = {kind: np.zeros((len(images), 4 + _CLASSES)) for kind in KINDS}
    for number, name in enumerate(images):
        labels = [_labels(rater, name, _shape(raters, name)) for rater in raters]
        for kind in KINDS:
            tallies[kind][number] = _tally([_of_kind(one, kind) for one in labels])
    weights = resampled(len(images), resamples, seed)
    return {kind: _pixels(tally, weights, len(raters)) for kind, tally in tallies.items()}


_CLASSES = 3
_BACKGROUND, _HEAD, _FLAGELLUM = range(_CLASSES)


def _labels(rater: Dataset, name: str, shape: tuple[int, int]) -> tuple[UInt8Array, UInt8Array]:
    """`(h, w)` pixels of sperm, and labels of parts."""
    whole, parts = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    sperm = _scored(rater, name)
    for one in sperm:
        whole[one.whole.full(shape)] = 1
        parts[one.flagellum.full(shape)] = _FLAGELLUM
    for one in sperm:
        parts[one.head.full(shape)] = _HEAD
    return whole, parts


def _of_kind(labels: tuple[UInt8Array, UInt8Array], kind: str) -> UInt8Array:
    whole, parts = labels
    if kind == "sperm":
        return whole
    if kind == "parts":
        return parts
    alone: UInt8Array = (parts == (_HEAD if kind == "head" else _FLAGELLUM)).astype(np.uint8)
    return alone


def _tally(labels: Sequence[UInt8Array]) -> FloatArray:
    """Sums over pixels: all, partly and singly agreed marks; Σ n_ij² of Fleiss; marks of each class."""
    raters = len(labels)
    marks = np.stack([np.sum([one == k for one in labels], axis=0, dtype=np.uint8) for k in range(_CLASSES)])
    most = marks[1:].max(axis=0)
    total, partial, none = (
        float(np.count_nonzero(where)) for where in (most == raters, (most > 1) & (most < raters), most == 1)
    )
    counts = [np.bincount(of_class.ravel(), minlength=raters + 1) for of_class in marks]
    squares = float(sum((count * np.arange(len(count)) ** 2).sum() for count in counts))
    classes = [float((count * np.arange(len(count))).sum()) for count in counts]
    return np.array([total, partial, none, squares, *classes])


def _pixels(tally: FloatArray, weights: FloatArray, raters: int) -> PixelAgreement:
    rows = np.concatenate([np.ones((1, len(tally))), weights]) @ tally
    marked = rows[:, :3].sum(axis=1)
    kappa = fleiss_kappa(rows[:, 3], rows[:, 4:], raters)
    shares = [ratio(rows[:, i], marked) for i in range(3)]
    return PixelAgreement(*(interval(float(values[0]), values[1:]) for values in (kappa, *shares)))


def fleiss_kappa(squares: FloatArray, classes: FloatArray, raters: int) -> FloatArray:
    """Fleiss' kappa (*Psychological Bulletin* 76, 1971) from sums over subjects.

    Args:
        squares: `(B,)` sum over subjects i and classes j of n_ij², n_ij raters giving class j to subject i.
        classes: `(B, k)` sum over subjects of n_ij.
        raters: n, the same for every subject.

    Returns:
        `(B,)`; NaN where all marks are of one class, since then nothing can disagree.
    """
    marks = classes.sum(axis=1)  # subjects × raters
    agreed = ratio(squares - marks, marks * (raters - 1))
    by_chance = (np.divide(classes, np.maximum(marks, 1)[:, None]) ** 2).sum(axis=1)
    return ratio(agreed - by_chance, 1 - by_chance)


def sperm_agreement(
    raters: Sequence[Dataset], images: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> SpermAgreement:
    """How many sperm all, some or one of the raters outlined (IoU of 0.5 or more).

    Sperm without a head count for nobody. An image that a rater lacks is one in which it found nothing.

    Raises:
        AnnotationError: there are fewer than two raters, no image, or a mask is damaged.
    """
    _need_two(raters)
    _need_images(images)
    tally = np.zeros((len(images), 3))
    by_rater = {rater.name: dict.fromkeys(("total", "partial", "none"), 0) for rater in raters}
    for number, name in enumerate(images):
        for cluster in same_sperm([_scored(rater, name) for rater in raters]):
            kind = 0 if len(cluster) == len(raters) else 1 if len(cluster) > 1 else 2
            tally[number, kind] += 1
            for r in cluster:
                by_rater[raters[r].name][("total", "partial", "none")[kind]] += 1
    rows = np.concatenate([np.ones((1, len(images))), resampled(len(images), resamples, seed)]) @ tally
    shares = [ratio(rows[:, i], rows.sum(axis=1)) for i in range(3)]
    total, partial, none = (interval(float(values[0]), values[1:]) for values in shares)
    names = tuple(rater.name for rater in raters)
    return SpermAgreement(names, int(tally.sum()), total, partial, none, by_rater)


def _scored(rater: Dataset, name: str) -> list[AnnotatedSperm]:
    return rater.images[name].scored() if name in rater.images else []


def _shape(raters: Sequence[Dataset], name: str) -> tuple[int, int]:
    shapes = [rater.images[name].shape for rater in raters if name in rater.images]
    if not shapes:
        raise AnnotationError(f"expected images that a rater annotated, found {name!r}; correct the list")
    return shapes[0]


def _need_two(raters: Sequence[Dataset]) -> None:
    if len(raters) < 2:
        raise AnnotationError(f"expected at least two raters to compare, found {len(raters)}; name another")


def _need_images(images: Sequence[str]) -> None:
    if not images:
        raise AnnotationError("expected images to compare on, found none; check the filters")
