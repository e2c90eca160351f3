"""Predictions of several methods, and what experts outlined → all figures of a benchmark."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from cascade.benchmark import results as entries
from cascade.benchmark.agreement import expert_scores, pixel_agreement, sperm_agreement
from cascade.benchmark.annotations import Annotations, read_annotations
from cascade.benchmark.average_precision import coco_average_precision
from cascade.benchmark.consensus import consensus, staple_performance
from cascade.benchmark.crossings import draws_through
from cascade.benchmark.datasets import Dataset, check_prediction
from cascade.benchmark.figures import figures, figures_by_crossings, figures_by_image, precision_recall
from cascade.benchmark.intervals import summarise
from cascade.benchmark.measurements import (
    MeasurementAgreement,
    Outlines,
    expert_measurements,
    measure_outlines,
    method_measurements,
)
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.predict import Predicted
from cascade.benchmark.selection import Selection
from cascade.benchmark.significance import compare_methods
from cascade.environment import versions
from cascade.errors import AnnotationError, CS3Error
from cascade.types import FloatArray

Watch = Callable[[str, int, int], None]
Points = dict[str, dict[str, FloatArray]]
"""Rater → measure → `(n, 2)`: its value, the expert's."""


@dataclass(frozen=True)
class Assessed:
    """All figures, and what pictures are drawn from.

    Attributes:
        results: as written to `results.json`.
        found: method → its predictions in the images looked at.
        scores: method → what each image says about it.
        points: method, or pair of experts, → measure → `(n, 2)` paired values, of all experts together.
    """

    results: entries.Results
    found: Mapping[str, Annotations]
    scores: Mapping[str, MethodScore]
    points: Points


@dataclass
class Assessment:
    """What to assess, and how closely.

    Attributes:
        experts: who outlined the images.
        images: file names to look at.
        selection: how they were chosen.
        device: what computed, in words.
        resamples: of every bootstrap.
    """

    experts: Sequence[Dataset]
    images: Sequence[str]
    selection: Selection
    device: str
    resamples: int = 1000
    _points: Points = field(default_factory=dict)

    @cached_property
    def _outlines(self) -> dict[str, Outlines]:
        """Expert → the measures of every outline: once for all methods."""
        return {expert.name: measure_outlines(expert, self.images) for expert in self.experts}

    def assess(self, predicted: Sequence[Predicted], watch: Watch) -> Assessed:
        """Score every method, the experts among each other, and test the methods in pairs.

        Args:
            predicted: of every method.
            watch: is told what is at work, how many images (then: methods) are done, and how many there are.

        Raises:
            AnnotationError: predictions are damaged, or do not fit the experts' images.
        """
        found: dict[str, Annotations] = {}
        scores: list[MethodScore] = []
        for one in predicted:
            everything = read_annotations(one.file)
            check_prediction(everything, self.experts, one.participant.file or one.file)
            found[one.participant.name] = {
                name: image for name, image in everything.items() if name in set(self.images)
            }
        for number, name in enumerate(found):

            def scored(done: int, of: int, name: str = name, before: int = number) -> None:
                watch(f"scoring {name}", before * of + done, len(found) * of)

            scores.append(score_method(name, found[name], self.experts, self.images, scored))
        several = len(self.experts) > 1
        watch("comparing the experts", 0, len(scores) + 1)
        agreed = self._consensus() if several else {}
        agreement = self._agreement() if several else _alone()
        methods = []
        for number, (one, score) in enumerate(zip(predicted, scores, strict=True), 1):
            watch(f"measuring {score.method}", number, len(scores) + 1)
            methods.append(self._method(one, score, found[score.method], agreed))
        watch("testing", len(scores) + 1, len(scores) + 1)
        tests = compare_methods(scores, resamples=self.resamples) if len(scores) > 1 else []
        results = entries.Results(
            versions=versions(),
            device=self.device,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            resamples=self.resamples,
            selection=entries.Selected(**self.selection.described()),
            experts=self._experts(),
            images=self._images(),
            methods=methods,
            agreement=agreement,
            tests=[entries.PairedTest.model_validate(one.as_json()) for one in tests],
        )
        return Assessed(results, found, {one.method: one for one in scores}, self._points)

    def _consensus(self) -> dict[str, Dataset]:
        agreed = {"majority": consensus(self.experts, self.images, "majority")}
        try:
            agreed["staple"] = consensus(self.experts, self.images, "staple")
        except AnnotationError:
            raise
        except CS3Error:  # its library is not installed; the majority says nearly the same
            pass
        return agreed

    def _experts(self) -> list[entries.ExpertEntry]:
        through = draws_through(self.experts, self.images)
        return [
            entries.ExpertEntry(
                name=expert.name,
                file=expert.path.name,
                sperm=sum(len(expert.images[name].pieces) for name in self.images if name in expert.images),
                draws_through=through[expert.name],
            )
            for expert in self.experts
        ]

    def _images(self) -> list[entries.ImageEntry]:
        found = []
        for name in self.images:
            outlined = [expert.images[name] for expert in self.experts if name in expert.images]
            height, width = outlined[0].shape
            sperm = statistics.fmean(len(image.pieces) for image in outlined)
            found.append(entries.ImageEntry(file_name=name, width=width, height=height, sperm=sperm))
        return found

    def _method(
        self, predicted: Predicted, score: MethodScore, found: Annotations, agreed: Mapping[str, Dataset]
    ) -> entries.MethodEntry:
        name = score.method
        rater = Dataset(name, predicted.file, found)
        measured = method_measurements(
            rater,
            self.experts,
            self.images,
            predicted.table,
            known=self._outlines,
            resamples=self.resamples,
        )
        self._points[name] = _together(list(measured.values()))
        recall, precision = precision_recall(score)
        by_consensus = {
            how: figures(score_method(name, found, [truth], self.images)) for how, truth in agreed.items()
        }
        raters = [*self.experts, rater] if agreed else []
        more = pixel_agreement(raters, self.images, resamples=self.resamples) if raters else {}
        method = predicted.participant.method
        return entries.MethodEntry(
            name=name,
            about=predicted.participant.about,
            identity=None if method is None else method.identity,
            prediction=f"predictions/{predicted.file.name}",
            figures=_with_counts(score, self.resamples) | self._by_coco(score, found),
            by_expert={expert.name: figures(score.against(expert.name)) for expert in self.experts},
            by_consensus=by_consensus,
            by_image=figures_by_image(score),
            by_crossings=[
                entries.Crossings(label=one.label, sperm=one.sperm, figures=_intervals(one.figures))
                for one in figures_by_crossings(score, resamples=self.resamples)
            ],
            precision_recall=entries.Curve(recall=recall.tolist(), precision=precision.tolist()),
            seconds=_seconds(predicted),
            failures=dict(predicted.failures),
            measurements={expert: _measurements(measures) for expert, measures in measured.items()},
            pixel_agreement={
                kind: entries.PixelAgreementEntry.model_validate(one.as_json()) for kind, one in more.items()
            },
            sperm_agreement=self._by_sperm(raters) if raters else None,
            staple=self._abilities(raters) if raters else {},
        )

    def _by_sperm(self, raters: Sequence[Dataset]) -> entries.SpermAgreementEntry:
        found = sperm_agreement(raters, self.images, resamples=self.resamples)
        return entries.SpermAgreementEntry(
            raters=list(found.raters),
            sperm=found.sperm,
            **{how: _interval(getattr(found, how)) for how in ("total", "partial", "none")},
        )

    def _abilities(self, raters: Sequence[Dataset]) -> dict[str, dict[str, entries.Ability]]:
        try:
            found = staple_performance(raters, self.images)
        except AnnotationError:
            raise
        except CS3Error:  # SimpleITK is not installed
            return {}
        return {
            rater: {part: entries.Ability.model_validate(one.as_json()) for part, one in parts.items()}
            for rater, parts in found.items()
        }

    def _by_coco(self, score: MethodScore, found: Annotations) -> dict[str, entries.Figure]:
        """COCO's figures as faster-coco-eval computes them, with our intervals; none where it is missing.

        Ours are the same (see the tests); whoever doubts that need not.
        """
        try:
            runs = [
                coco_average_precision({name: expert.images[name] for name in self.images}, found)
                for expert in self.experts
            ]
        except AnnotationError:
            raise
        except CS3Error:
            return {}
        ours = _intervals(summarise(score, resamples=self.resamples, only=tuple(runs[0])))
        means = {name: statistics.fmean(run[name] for run in runs) for name in runs[0]}
        return {name: one.model_copy(update={"value": means[name]}) for name, one in ours.items()}

    def _agreement(self) -> entries.Agreement:
        raters = expert_scores(self.experts, self.images)
        measured = expert_measurements(
            self.experts, self.images, known=self._outlines, resamples=self.resamples
        )
        self._points["experts"] = _together(list(measured.values()))
        pixel = pixel_agreement(self.experts, self.images, resamples=self.resamples)
        by_name = {one.method: one for one in raters}
        return entries.Agreement(
            experts=[
                entries.RaterEntry(name=one.method, figures=_with_counts(one, self.resamples))
                for one in raters
            ],
            pairs=[
                entries.PairEntry(
                    first=first,
                    second=second,
                    figures=figures(by_name[first].against(second)),
                    measurements=_measurements(measures),
                )
                for (first, second), measures in measured.items()
            ],
            pixel={
                kind: entries.PixelAgreementEntry.model_validate(one.as_json()) for kind, one in pixel.items()
            },
            sperm=self._by_sperm(self.experts),
            staple=self._abilities(self.experts),
        )


def _alone() -> entries.Agreement:
    return entries.Agreement(experts=[], pairs=[], pixel={}, sperm=None, staple={})


def _together(several: Sequence[Mapping[str, MeasurementAgreement]]) -> dict[str, FloatArray]:
    names = several[0] if several else {}
    return {measure: np.concatenate([one[measure].points for one in several]) for measure in names}


def _with_counts(score: MethodScore, resamples: int) -> dict[str, entries.Figure]:
    """Every figure with its interval; counts, which have none, first."""
    values, intervals = figures(score), _intervals(summarise(score, resamples=resamples))
    counts = {
        name: entries.Figure(value=value, low=None, high=None)
        for name, value in values.items()
        if name not in intervals
    }
    return counts | intervals


def _interval(value: Any) -> entries.Figure:
    return entries.Figure(value=value.value, low=value.low, high=value.high)


def _intervals(values: Mapping[str, Any]) -> dict[str, entries.Figure]:
    return {name: _interval(value) for name, value in values.items()}


def _measurements(measures: Mapping[str, MeasurementAgreement]) -> dict[str, entries.Measurement]:
    return {name: entries.Measurement.model_validate(one.as_json()) for name, one in measures.items()}


def _seconds(predicted: Predicted) -> entries.Seconds | None:
    if not predicted.seconds:
        return None
    return entries.Seconds(
        median=statistics.median(predicted.seconds.values()),
        slowest=max(predicted.seconds.values()),
        processor=statistics.median(predicted.processor.values()),
        by_image=dict(predicted.seconds),
    )
