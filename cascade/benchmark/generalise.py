"""How well methods do where they have not been: M_in on images like those they learnt from, M_out on others.

The gap ΔM = M_in − M_out is taken in every fold and averaged over the folds. A method that learns is taught
anew for every fold, on nothing but what the fold lets it learn from. One that does not learn is asked about
all images; its gap says how much the kinds of images differ in difficulty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cascade.benchmark.annotations import AnnotatedImage, read_annotations
from cascade.benchmark.folds import Fold, Source
from cascade.benchmark.gaps import FoldEntry, Gap, Generalisation, Images, MethodGap, Spread
from cascade.benchmark.intervals import Interval, interval, resampled
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.methods import Participant
from cascade.benchmark.predict import predict_all
from cascade.benchmark.results import Figure
from cascade.comparators.protocol import Method, TrainingData
from cascade.environment import versions
from cascade.exports.atomic import explained
from cascade.types import FloatArray

FIGURES = ("mIoU", "mDice", "F1", "PQ", "AP50", "head IoU", "flagellum IoU", "clDice")

Watch = Callable[[str, int, int], None]
Teach = Callable[[TrainingData, Path], Method | None]
"""Learn from data, with a folder for checkpoint and weights; None after a stop."""


@dataclass(frozen=True)
class Contestant:
    """A method that is there, or one that has to learn first.

    Attributes:
        name: in tables.
        method: ready to predict; None where it has to learn.
        teach: gives the method; None where it is there.
    """

    name: str
    method: Method | None = None
    teach: Teach | None = None


@dataclass(frozen=True)
class Job:
    """What to find out.

    Attributes:
        folds: ways to divide the images.
        out: folder for trainings, predictions and results.
        device: what computes, in words.
        resamples: of the bootstrap.
    """

    folds: Sequence[Fold]
    out: Path
    device: str
    resamples: int = 1000


def generalise(job: Job, contestants: Sequence[Contestant], watch: Watch) -> Generalisation:
    """Teach where it is needed, predict, score within and outside every fold.

    Raises:
        KeyboardInterrupt: a training was stopped; it goes on when this is called again.
        ImageError: an image cannot be read.
        AnnotationError: an expert has no sperm in a part of a fold.
        OutputError: the folder cannot be written.
    """
    inner = job.out / ".cs3"  # says that the folder is ours, also while the first training is at work
    with explained(inner):
        inner.mkdir(parents=True, exist_ok=True)
    methods = []
    for one in contestants:
        scores = [_scores(job, one, number, watch) for number in range(len(job.folds))]
        methods.append(_gap(one, job, scores))
    return Generalisation(
        versions=versions(),
        device=job.device,
        resamples=job.resamples,
        folds=[
            FoldEntry(
                name=fold.name,
                experts=[expert.name for expert in fold.outside.experts],
                images=Images(
                    learn=list(fold.learn),
                    check=list(fold.check),
                    asked=list(fold.asked),
                    left_out=list(fold.left_out),
                ),
            )
            for fold in job.folds
        ],
        methods=methods,
    )


def _scores(job: Job, one: Contestant, number: int, watch: Watch) -> tuple[MethodScore, MethodScore]:
    """Within and outside one fold."""
    fold = job.folds[number]
    method = one.method or _taught(job, one, number)
    inside = fold.known if one.teach is None else fold.asked
    folder = job.out / "predictions" / _folder(fold.name)
    found = [
        _predicted(Participant(one.name, method), source, names, job, folder / side, watch)
        for side, source, names in (
            ("inside", fold.inside, inside),
            ("outside", fold.outside, fold.left_out),
        )
    ]
    return (
        score_method(one.name, found[0], fold.inside.experts, inside),
        score_method(one.name, found[1], fold.outside.experts, fold.left_out),
    )


def _taught(job: Job, one: Contestant, number: int) -> Method:
    fold = job.folds[number]
    data = TrainingData(
        truths=tuple(expert.path for expert in fold.inside.experts),
        images={name: fold.inside.images[name] for name in fold.learn},
        held_out={name: fold.inside.images[name] for name in fold.check},
    )
    method = (
        None if one.teach is None else one.teach(data, job.out / "training" / one.name / _folder(fold.name))
    )
    if method is None:
        raise KeyboardInterrupt
    return method


def _predicted(
    participant: Participant, source: Source, names: Sequence[str], job: Job, folder: Path, watch: Watch
) -> Mapping[str, AnnotatedImage]:
    images = {name: source.images[name] for name in names}
    (predicted,) = predict_all([participant], images, job.out, job.device, watch, folder)
    return read_annotations(predicted.file)


def _gap(one: Contestant, job: Job, scores: Sequence[tuple[MethodScore, MethodScore]]) -> MethodGap:
    """Figures of every fold, their mean gap, and how far they spread over the folds."""
    folds: list[Gap] = []
    samples: dict[str, list[tuple[float, FloatArray]]] = {}
    for fold, (inside, outside) in zip(job.folds, scores, strict=True):
        m_in, m_out = (_sampled(score, job.resamples, seed) for seed, score in enumerate((inside, outside)))
        gaps = {name: m_in[name] - m_out[name] for name in FIGURES if name in m_in and name in m_out}
        for name, values in gaps.items():
            samples.setdefault(name, []).append((float(values[0]), values[1:]))
        folds.append(
            Gap(
                fold=fold.name,
                inside={name: _figure(m_in[name]) for name in gaps},
                outside={name: _figure(m_out[name]) for name in gaps},
                gap={name: _figure(values) for name, values in gaps.items()},
            )
        )
    means = {
        name: interval(float(np.mean([v for v, _ in several])), np.mean([s for _, s in several], axis=0))
        for name, several in samples.items()
    }
    return MethodGap(
        name=one.name,
        learns=one.teach is not None,
        folds=folds,
        gap={name: _entry(value) for name, value in means.items()},
        spread={name: _spread([fold.outside[name].value for fold in folds]) for name in means},
    )


def _sampled(score: MethodScore, resamples: int, seed: int) -> dict[str, FloatArray]:
    """Every figure as it is, then of every resample, `(1 + resamples,)`; what is not measured left out."""
    weights = resampled(len(score.images), resamples, seed)
    everything = np.concatenate([np.ones((1, len(score.images))), weights])
    return {name: v for name, v in score.evaluate(everything, FIGURES).items() if not np.isnan(v[0])}


def _figure(values: FloatArray) -> Figure:
    return _entry(interval(float(values[0]), values[1:]))


def _entry(value: Interval) -> Figure:
    return Figure(value=value.value, low=value.low, high=value.high)


def _spread(values: Sequence[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(lowest=min(known), highest=max(known), sd=sd)


def _folder(name: str) -> str:
    return name.replace(" ", "-")
