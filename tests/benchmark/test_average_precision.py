"""Average precision by hand, by two evaluators of COCO, and by our own sums."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
from drawn_sperm import dataset, drawn, sperm
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from cascade.benchmark.annotations import AnnotatedSperm, Annotations
from cascade.benchmark.average_precision import (
    Ranking,
    coco_average_precision,
    coco_documents,
    summary,
)
from cascade.benchmark.figures import figures
from cascade.benchmark.method_score import score_method
from cascade.errors import AnnotationError


def ranking(detections: int, true: int, times: float = 1.0) -> Ranking:
    """One sample in which every detection counts so often."""
    return Ranking(np.full((1, detections), times), np.array([true * times]))


def test_the_area_under_three_detections() -> None:
    hit = np.array([True, False, True])  # precision 1 up to recall 0.5, then 2/3
    assert ranking(3, 2).all_point(hit) == pytest.approx((1 + 2 / 3) / 2)
    assert ranking(3, 2).at_101_recalls(hit) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert ranking(3, 2, 2.0).all_point(hit) == pytest.approx((1 + 2 / 3) / 2)


def test_a_later_larger_precision_counts_before() -> None:
    hit = np.array([False, True, True, True])
    assert ranking(4, 3).all_point(hit) == pytest.approx(3 / 4)


def test_nothing_detected_and_nothing_there() -> None:
    none = np.zeros(0, bool)
    assert ranking(0, 2).all_point(none).tolist() == [0]
    assert ranking(0, 2).at_101_recalls(none).tolist() == [0]
    for average in (Ranking.all_point, Ranking.at_101_recalls):
        assert np.isnan(average(ranking(1, 0), np.array([False]))).all()


def by_pycocotools(truth: Annotations, predicted: Annotations) -> dict[str, float]:
    document, results = coco_documents(truth, predicted)
    with redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = document
        known.createIndex()
        return summary(COCOeval(known, known.loadRes(results), "segm"), results)


@st.composite
def images(draw: st.DrawFn) -> tuple[list[AnnotatedSperm], list[AnnotatedSperm]]:
    places = draw(st.lists(st.sampled_from([(0, 0), (0, 20), (50, 0), (50, 40)]), max_size=4, unique=True))
    found = draw(
        st.lists(
            st.tuples(
                st.sampled_from([(0, 0), (0, 20), (50, 0), (50, 40)]), st.integers(0, 9), st.integers(10, 40)
            ),
            max_size=5,
        )
    )
    score = st.integers(1, 10**6).map(lambda n: n / 10**6)
    return [sperm(x, y) for x, y in places], [
        sperm(x + d, y, length, score=draw(score)) for (x, y), d, length in found
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(images(), min_size=1, max_size=4))
def test_three_ways_agree(several: list[tuple[list[AnnotatedSperm], list[AnnotatedSperm]]]) -> None:
    names = [f"{n}.png" for n in range(len(several))]
    truth = dataset("t", {name: true for name, (true, _) in zip(names, several, strict=True)})
    found = dataset("p", {name: pred for name, (_, pred) in zip(names, several, strict=True)}).images
    if not any(true for true, _ in several):
        with pytest.raises(AnnotationError, match="expected true sperm"):
            coco_average_precision(truth.images, found)
        return
    ours = figures(score_method("p", found, [truth], names))
    fast = coco_average_precision(truth.images, found)
    assert {name: ours[name] for name in fast} == pytest.approx(fast, abs=1e-9)
    if any(pred for _, pred in several):
        assert by_pycocotools(truth.images, found) == pytest.approx(fast, abs=1e-9)


def test_more_than_a_hundred_detections_count() -> None:
    wrong = [drawn(0.9, head=(x, 0, x + 1, 1)) for x in range(100)]
    truth = dataset("t", {"1.png": [sperm(0, 20)]})
    found = dataset("p", {"1.png": [*wrong, sperm(0, 20, score=0.1)]}).images
    assert coco_average_precision(truth.images, found)["COCO AP50"] == pytest.approx(1 / 101)


def test_tails_without_heads_are_not_evaluated() -> None:
    truth = dataset("t", {"1.png": [sperm(0, 0)]})
    found = dataset("p", {"1.png": [drawn(tail=(0, 40, 30, 45)), sperm(0, 0, score=0.5)]}).images
    assert coco_average_precision(truth.images, found)["COCO AP"] == pytest.approx(1)
    assert coco_average_precision(truth.images, {}) == {"COCO AP": 0, "COCO AP50": 0, "COCO AP75": 0}
