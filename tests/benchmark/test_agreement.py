"""How far raters agree, on pixels and sperm one can count."""

import numpy as np
import pytest
from drawn_sperm import dataset, drawn, sperm

from cascade.benchmark.agreement import expert_scores, fleiss_kappa, pixel_agreement, sperm_agreement
from cascade.benchmark.figures import figures
from cascade.errors import AnnotationError

IMAGES = ["1.png"]


def test_kappa_of_the_textbook() -> None:
    # Fourteen raters, ten subjects, five classes: the worked example in Wikipedia's "Fleiss' kappa".
    table = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ],
        float,
    )
    kappa = fleiss_kappa(np.array([(table**2).sum()]), table.sum(axis=0)[None], 14)
    assert kappa[0] == pytest.approx(0.210, abs=5e-4)


def test_kappa_without_variety_is_not_defined() -> None:
    assert np.isnan(fleiss_kappa(np.array([90.0]), np.array([[30.0, 0, 0]]), 3)[0])


def test_the_same_outlines_agree_fully() -> None:
    raters = [dataset(name, {"1.png": [sperm(0, 0)]}) for name in "abc"]
    for found in pixel_agreement(raters, IMAGES, resamples=10).values():
        assert [found.kappa.value, found.total.value, found.partial.value, found.none.value] == [1, 1, 0, 0]
    by_sperm = sperm_agreement(raters, IMAGES, resamples=10)
    assert (by_sperm.sperm, by_sperm.total.value) == (1, 1)


def test_shares_of_pixels_are_counted() -> None:
    heads = [(0, 0, 10, 10), (0, 0, 10, 5), (0, 0, 10, 2)]  # 20 pixels by three, 30 by two, 50 by one
    raters = [dataset(name, {"1.png": [drawn(head=box)]}) for name, box in zip("abc", heads, strict=True)]
    found = pixel_agreement(raters, IMAGES, resamples=10)["head"]
    assert [found.total.value, found.partial.value, found.none.value] == pytest.approx([0.2, 0.3, 0.5])
    # Fleiss by hand: 6000 pixels, 170 of 18000 marks are "head".
    agreed = (6000 - 80 + 80 / 3) / 6000  # two against one agree in one pair of three
    share = 170 / 18000
    by_chance = share**2 + (1 - share) ** 2
    assert found.kappa.value == pytest.approx((agreed - by_chance) / (1 - by_chance))
    assert found.as_json()["total"]["value"] == pytest.approx(0.2)


def test_labels_of_parts_count_as_different() -> None:
    one = dataset("a", {"1.png": [drawn(head=(0, 0, 10, 10))]})
    other = dataset("b", {"1.png": [drawn(head=(0, 0, 1, 1), tail=(0, 0, 10, 10))]})
    found = pixel_agreement([one, other], IMAGES, resamples=10)
    assert found["sperm"].total.value == 1
    assert found["parts"].total.value == pytest.approx(1 / 100)
    assert found["flagellum"].none.value == 1


def test_shares_of_sperm_are_counted() -> None:
    places = [(0, 0), (0, 20), (50, 40)]
    raters = [
        dataset(name, {"1.png": [sperm(x, y) for x, y in places[:number]], "2.png": []})
        for name, number in (("a", 3), ("b", 2), ("c", 1))
    ]
    found = sperm_agreement(raters, ["1.png", "2.png"], resamples=10)
    assert (found.sperm, found.raters) == (3, ("a", "b", "c"))
    assert [found.total.value, found.partial.value, found.none.value] == pytest.approx([1 / 3] * 3)
    assert found.by_rater == {
        "a": {"total": 1, "partial": 1, "none": 1},
        "b": {"total": 1, "partial": 1, "none": 0},
        "c": {"total": 1, "partial": 0, "none": 0},
    }
    assert found.as_json()["by_rater"]["c"]["total"] == 1


def test_a_tail_without_a_head_counts_for_nobody() -> None:
    one = dataset("a", {"1.png": [sperm(0, 0)]})
    method = dataset("m", {"1.png": [sperm(0, 0), drawn(tail=(0, 40, 30, 45))]})
    assert sperm_agreement([one, method], IMAGES, resamples=10).sperm == 1
    assert pixel_agreement([one, method], IMAGES, resamples=10)["sperm"].total.value == 1


def test_every_expert_is_scored_against_the_others() -> None:
    told: list[tuple[int, int]] = []
    experts = [
        dataset(n, {"1.png": [sperm(0, 0, length)]}) for n, length in (("a", 30), ("b", 30), ("c", 15))
    ]
    scores = expert_scores(experts, IMAGES, lambda done, total: told.append((done, total)))
    assert [score.method for score in scores] == ["a", "b", "c"]
    assert figures(scores[0].against("b"))["mIoU"] == 1
    assert figures(scores[0])["mIoU"] == pytest.approx((1 + 175 / 250) / 2)
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_one_rater_cannot_agree() -> None:
    alone = [dataset("a", {"1.png": [sperm(0, 0)]})]
    for compare in (expert_scores, pixel_agreement, sperm_agreement):
        with pytest.raises(AnnotationError, match="at least two raters"):
            compare(alone, IMAGES)
    with pytest.raises(AnnotationError, match=r"annotated, found '9\.png'"):
        pixel_agreement(alone * 2, ["9.png"])
    with pytest.raises(AnnotationError, match="expected images"):
        sperm_agreement(alone * 2, [])
