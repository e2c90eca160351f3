"""Average precision: area under precision over recall, of detections ranked by score.

Two conventions are in use, and both are given. *All-point*: the exact area under the precision envelope (as
in PASCAL VOC from 2010 on). *COCO*: the envelope's mean at 101 recalls from 0 to 1. With some hundred sperm
they differ in the third decimal place.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cascade.benchmark.annotations import AnnotatedImage
from cascade.errors import AnnotationError, CS3Error
from cascade.exports import coco
from cascade.types import BoolArray, FloatArray

_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Detections in order of falling score, as often as each counts in each of B samples.

    Attributes:
        weights: `(B, P)` how often each detection counts.
        true: `(B,)` number of true sperm.
    """

    weights: FloatArray
    true: FloatArray

    @cached_property
    def seen(self) -> FloatArray:
        """`(B, P)` detections up to each rank."""
        return np.cumsum(self.weights, axis=1)

    def envelope(self, hit: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Precision and recall where they matter: at the H hits.

        Args:
            hit: `(P,)`.

        Returns:
            `(B, H)` largest precision at this hit or beyond; `(B, H)` hits up to this one. Precision falls
            from a hit to the misses after it, so that no larger one lies between.
        """
        found = np.cumsum(self.weights[:, hit], axis=1)
        seen = self.seen[:, hit]
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0)
        return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1], found

    def all_point(self, hit: BoolArray) -> FloatArray:
        """All-point average precision of each sample, `(B,)`; NaN without true sperm."""
        best, _ = self.envelope(hit)
        return _over((best * self.weights[:, hit]).sum(axis=1), self.true)

    def at_101_recalls(self, hit: BoolArray) -> FloatArray:
        """COCO's average precision of each sample, `(B,)`; NaN without true sperm."""
        return np.where(self.true > 0, self.precision_at_recalls(hit).mean(axis=1), np.nan)

    def precision_at_recalls(self, hit: BoolArray) -> FloatArray:
        """Precision envelope at 101 recalls from 0 to 1, `(B, 101)`; 0 where a recall is not reached."""
        best, found = self.envelope(hit)
        recall = found / np.maximum(self.true, 1)[:, None]
        out = np.zeros((len(self.true), len(_RECALLS)))
        for row, curve, values in zip(out, recall, best, strict=True):
            rank = np.searchsorted(curve, _RECALLS, side="left")
            row[rank < len(curve)] = values[rank[rank < len(curve)]]
        return out


def _over(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    return np.asarray(
        np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
    )


def coco_average_precision(
    truth: Mapping[str, AnnotatedImage], predicted: Mapping[str, AnnotatedImage]
) -> dict[str, float]:
    """`COCO AP`, `COCO AP50` and `COCO AP75` of whole sperm, by faster-coco-eval.

    Args:
        truth: of one expert.
        predicted: of the same images; a missing one counts as one in which nothing was found.

    Raises:
        AnnotationError: a mask is damaged, or there are no true sperm.
        CS3Error: faster-coco-eval is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster  # noqa: PLC0415  an extra
    except ImportError as error:
        raise CS3Error(
            "expected faster-coco-eval to be installed, found it missing; pip install 'cs3[benchmark]'"
        ) from error
    document, results = coco_documents(truth, predicted)
    with redirect_stdout(io.StringIO()):
        known = COCO(document)
        evaluation = COCOeval_faster(
            known, known.loadRes(results) if results else COCO(document | {"annotations": []}), "segm"
        )
        return summary(evaluation, results)


def coco_documents(
    truth: Mapping[str, AnnotatedImage], predicted: Mapping[str, AnnotatedImage]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Whole sperm as COCO truth and COCO results, one category: what evaluators of instances take.

    Raises:
        AnnotationError: a mask is damaged, or there are no true sperm.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (name, image) in enumerate(truth.items(), 1):
        height, width = image.shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        for sperm in image.sperm():
            entry = {
                "image_id": number,
                "category_id": 1,
                "segmentation": coco.runs(sperm.whole, image.shape),
            }
            x0, y0, x1, y1 = sperm.whole.box
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": sperm.whole.area, "iscrowd": 0}
            annotations.append(entry | box | {"id": len(annotations) + 1})
        for sperm in predicted[name].scored() if name in predicted else []:
            runs = coco.runs(sperm.whole, image.shape)
            results.append({"image_id": number, "category_id": 1, "segmentation": runs, "score": sperm.score})
    if not annotations:
        raise AnnotationError("expected true sperm to evaluate against, found none; check the images")
    categories = [{"id": 1, "name": "sperm"}]
    return {"info": {}, "images": images, "categories": categories, "annotations": annotations}, results


def summary(evaluation: Any, results: list[dict[str, Any]]) -> dict[str, float]:
    """Run an evaluator of pycocotools' interface without its limit on detections an image, and read it."""
    evaluation.params.maxDets = [max(1, len(results))]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"])[:, :, 0, 0, -1]  # levels, recalls
    mean = precision.mean(axis=1)
    return {"COCO AP": float(mean.mean()), "COCO AP50": float(mean[0]), "COCO AP75": float(mean[5])}
