"""A method's scores against every expert, image by image, and the figures that they add up to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cascade.benchmark.annotations import Annotations
from cascade.benchmark.datasets import Dataset
from cascade.benchmark.figure_table import FigureTable, nanmean
from cascade.benchmark.image_score import ImageScore, finest_parts, score_image
from cascade.errors import AnnotationError
from cascade.types import FloatArray

Watch = Callable[[int, int], None]
"""Is told, after every image, how many are done and how many there are."""


@dataclass(frozen=True, eq=False)
class MethodScore:
    """A method's scores on images that one or more experts annotated.

    Attributes:
        method: its name.
        images: file names, in order.
        scores: expert → image → score; an expert may lack images.
        fine: the parts that parsing figures look at: those that the prediction and the truth both separate.
            Of parts that are not among them (`head` and `flagellum` apart) IoU says nothing.
    """

    method: str
    images: tuple[str, ...]
    scores: Mapping[str, Mapping[str, ImageScore]]
    fine: tuple[str, ...] = ()

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the experts."""
        return tuple(self.scores)

    def against(self, *experts: str) -> MethodScore:
        """The same, against some of the experts only.

        Raises:
            KeyError: an unknown expert.
        """
        return replace(self, scores={name: self.scores[name] for name in experts})

    def on(self, images: Collection[str]) -> MethodScore:
        """The same, on some of the images only.

        Raises:
            AnnotationError: an expert has no sperm in them.
        """
        chosen = tuple(name for name in self.images if name in images)
        scores = {
            expert: {name: known[name] for name in chosen if name in known}
            for expert, known in self.scores.items()
        }
        _need_sperm(scores)
        return replace(self, images=chosen, scores=scores)

    def evaluate(
        self, weights: FloatArray | None = None, only: Collection[str] | None = None
    ) -> dict[str, FloatArray]:
        """Every figure for each row of weights, averaged over experts; counts first.

        Args:
            weights: `(B, n)` how often each of `images` counts; once each where None.
            only: names of the figures wanted; all where None.

        Returns:
            Figure → `(B,)`; NaN where nothing is there to measure.
        """
        runs = []
        for expert, known in self.scores.items():
            here = [name in known for name in self.images]
            runs.append(self.tables[expert].figures(None if weights is None else weights[:, here], only))
        return {name: nanmean(np.array([run[name] for run in runs])) for name in runs[0]}

    @cached_property
    def tables(self) -> Mapping[str, FigureTable]:
        """The scores laid out for weighing, an expert each."""
        return {
            expert: FigureTable([known[name] for name in self.images if name in known])
            for expert, known in self.scores.items()
        }


def score_method(
    method: str,
    predicted: Annotations,
    experts: Sequence[Dataset],
    images: Sequence[str],
    watch: Watch | None = None,
) -> MethodScore:
    """Score a prediction against every expert, image by image.

    Args:
        method: its name.
        predicted: file name → annotations; a missing image counts as one in which nothing was found.
        experts: the truth.
        images: file names to score, as far as the experts have them.
        watch: told of progress.

    Raises:
        AnnotationError: a mask is damaged, or an expert has no sperm in these images.
    """
    if not experts:
        raise AnnotationError("expected at least one truth file, found none; name one")
    fine = finest_parts(_parts([expert.images for expert in experts], images), _parts([predicted], images))
    scores: dict[str, dict[str, ImageScore]] = {expert.name: {} for expert in experts}
    for done, name in enumerate(images, 1):
        found = predicted[name].scored() if name in predicted else []
        for expert in experts:
            if name in expert.images:
                truth = expert.images[name]
                scores[expert.name][name] = score_image(truth.sperm(), found, truth.shape, fine)
        if watch is not None:
            watch(done, len(images))
    _need_sperm(scores)
    return MethodScore(method, tuple(images), scores, fine)


def _parts(sources: Sequence[Annotations], images: Sequence[str]) -> set[str]:
    return {part for source in sources for name in images if name in source for part in source[name].parts}


def _need_sperm(scores: Mapping[str, Mapping[str, ImageScore]]) -> None:
    for expert, known in scores.items():
        if not any(score.true for score in known.values()):
            raise AnnotationError(
                f"{expert}: expected at least one sperm in the images to score, found none; check the filters"
            )
