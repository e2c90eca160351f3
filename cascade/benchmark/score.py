"""The yardstick: a prediction against one or more experts.

In every image, predicted sperm are paired with true ones, one to one, so that the summed IoU of whole sperm
is the largest. Mean IoU, part and centreline figures run over all true sperm, 0 where nothing is paired;
precision, F1, PQ and AP also pay for what was predicted too much. Predicted sperm without a head are left
out: experts outline none. Parsing figures use the finest parts that the prediction separates: acrosome,
nucleus and vacuole, or head; midpiece and tail, or flagellum. With several experts every figure is the mean
of those against each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

from cascade.benchmark.annotations import read_annotations
from cascade.benchmark.datasets import Dataset, check_prediction
from cascade.benchmark.figures import figures
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.splits import select_images

__all__ = ["MethodScore", "score_files", "score_method", "score_prediction", "select_images"]


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
        Figure → value; counts first.

    Raises:
        AnnotationError: a file is damaged (see `read_annotations`); the prediction holds images that a truth
            lacks, or of another size; a name to filter by is unknown or holds no date; or nothing is left to
            score.
    """
    return figures(score_prediction(truths, prediction, images=images, until=until, after=after))


def score_prediction(
    truths: Sequence[Path],
    prediction: Path,
    *,
    images: Collection[str] | None = None,
    until: date | None = None,
    after: date | None = None,
) -> MethodScore:
    """The scores behind the figures of `score_files`; arguments and errors as there."""
    predicted = read_annotations(prediction)
    experts = [Dataset(str(path), path, read_annotations(path)) for path in truths]
    check_prediction(predicted, experts, prediction)
    known = list(dict.fromkeys(name for expert in experts for name in expert.images))
    names = select_images(known, images=images, until=until, after=after)
    return score_method(prediction.stem, predicted, experts, names)
