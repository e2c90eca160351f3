"""Bootstrap over images."""

import numpy as np
import pytest
from drawn_sperm import dataset, drawn, sperm

from cascade.benchmark.figures import figures, figures_by_crossings, figures_by_image, precision_recall
from cascade.benchmark.intervals import Interval, interval, resampled, summarise
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.errors import AnnotationError


def scored() -> MethodScore:
    """Ten images of one sperm: found in even ones, missed in odd ones, by two experts' lights."""
    names = [f"{n}.png" for n in range(10)]
    truth = {name: [sperm(0, 0)] for name in names}
    found = {name: [sperm(0, 0)] for name in names[::2]}
    experts = [dataset("a", truth), dataset("b", truth)]
    return score_method("half", dataset("half", found).images, experts, names)


def test_resamples_draw_as_many_images_as_there_are() -> None:
    weights = resampled(7, 50, seed=3)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == resampled(7, 50, seed=3)).all()
    assert (weights != resampled(7, 50, seed=4)).any()
    with pytest.raises(ValueError, match="at least one image"):
        resampled(0)


def test_an_interval_is_the_middle_of_the_resamples() -> None:
    assert interval(5, np.arange(101.0)) == Interval(5, 2.5, 97.5)
    assert interval(5, np.append(np.arange(101.0), np.nan)) == Interval(5, 2.5, 97.5)
    assert interval(5, np.array([np.nan])).as_json() == {"value": 5, "low": None, "high": None}


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    found = summarise(scored(), resamples=4000)
    assert found["mIoU"].value == 0.5
    # 5 of 10: 95 % of resamples of 10 lie from 2 to 8 hits
    assert (found["mIoU"].low, found["mIoU"].high) == pytest.approx((0.2, 0.8))
    assert found["length error"].value == 0.5  # the median of five 0 and five 1
    assert "images" not in found
    assert "nucleus IoU" not in found


def test_the_same_seed_gives_the_same_interval() -> None:
    score = scored()
    assert summarise(score, resamples=100) == summarise(score, resamples=100)
    assert list(summarise(score, resamples=10, only=["PQ", "F1"])) == ["F1", "PQ"]


def test_a_score_can_be_restricted() -> None:
    score = scored()
    assert score.experts == ("a", "b")
    assert score.against("b").experts == ("b",)
    with pytest.raises(KeyError):
        score.against("c")
    assert figures(score.on(["0.png", "2.png"]))["mIoU"] == 1
    assert score.on(["1.png", "0.png"]).images == ("0.png", "1.png")
    with pytest.raises(AnnotationError, match="a: expected at least one sperm"):
        score.on([])


def test_every_image_has_its_figures() -> None:
    by_image = figures_by_image(scored())
    assert [by_image[f"{n}.png"]["F1"] for n in range(4)] == [1, 0, 1, 0]
    assert "images" not in by_image["0.png"]
    assert by_image["1.png"]["sperm"] == 1


def test_precision_over_recall() -> None:
    recall, precision = precision_recall(scored())
    assert (recall[0], recall[-1]) == (0, 1)
    assert precision[recall <= 0.5].tolist() == [1.0] * 51
    assert precision[recall > 0.51].max() == 0


def test_figures_by_crossings() -> None:
    across = sperm(0, 20, 80)
    down = [drawn(head=(x, 0, x + 10, 10), tail=(x + 3, 10, x + 8, 48)) for x in (20, 50)]
    truth = {"1.png": [across, *down, sperm(60, 49, 20)], "2.png": [sperm(0, 0)]}
    experts = [dataset("through", truth), dataset("not", {name: some[:1] for name, some in truth.items()})]
    found = dataset("m", {"1.png": [across, *down]}).images
    rows = figures_by_crossings(score_method("m", found, experts, list(truth)), resamples=20)
    assert [(row.label, row.sperm, row.figures["mIoU"].value) for row in rows] == [
        ("0", 2, 0),
        ("1", 2, 1),
        ("2", 1, 1),
    ]
    assert rows[0].as_json()["figures"]["recall50"] == {"value": 0, "low": 0, "high": 0}
