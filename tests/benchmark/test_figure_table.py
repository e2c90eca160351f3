"""Weighing images is the same as repeating them."""

import numpy as np
import pytest
from drawn_sperm import SHAPE, sperm
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.benchmark.figure_table import COUNTS, FIGURES, FigureTable, nanmean, ratio
from cascade.benchmark.image_score import ImageScore, score_image

TRUTH = [sperm(0, 0), sperm(0, 15, 20), sperm(50, 30)]


@st.composite
def scores(draw: st.DrawFn) -> ImageScore:
    """An image with some true sperm and predictions that are a little off, or far off."""
    moves = st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-10, 10))
    truth = draw(st.lists(st.sampled_from(TRUTH), max_size=3, unique=True))
    places = draw(st.lists(st.tuples(st.sampled_from([(3, 3), (3, 18), (50, 33)]), moves), max_size=3))
    found = [
        sperm(x + dx, y + dy, 25 + dl, score=draw(st.sampled_from([0.2, 0.5, 0.8])))
        for (x, y), (dx, dy, dl) in places
    ]
    return score_image(truth, found, SHAPE, ("head", "flagellum"))


@settings(max_examples=60, deadline=None)
@given(st.lists(scores(), min_size=1, max_size=4), st.data())
def test_weights_are_repetitions(several: list[ImageScore], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(several), max_size=len(several)))
    if not sum(weights):
        return
    repeated = [one for one, times in zip(several, weights, strict=True) for _ in range(times)]
    weighed = FigureTable(several).figures(np.array([weights], float))
    counted = FigureTable(repeated).figures()
    assert list(weighed) == list(FIGURES)
    for name in FIGURES:
        # The order of equal scores decides average precision, and repeating changes it.
        if "AP" not in name or len({s for one in several for s in one.scores}) == sum(
            o.predicted for o in several
        ):
            assert weighed[name] == pytest.approx(counted[name], nan_ok=True), name


def test_only_what_is_wanted() -> None:
    table = FigureTable([score_image([sperm(0, 0)], [sperm(0, 0)], SHAPE, ("head", "flagellum"))])
    assert list(table.figures(only=["AP75", "mIoU"])) == ["mIoU", "AP75"]
    assert list(table.figures(only=COUNTS)) == list(COUNTS)


def test_an_empty_resample_measures_nothing() -> None:
    table = FigureTable([score_image([sperm(0, 0)], [], SHAPE, ("head", "flagellum"))])
    figures = table.figures(np.array([[0.0], [2.0]]))
    assert np.isnan(figures["mIoU"][0])
    assert np.isnan(figures["length error"][0])
    assert np.isnan(figures["AP"][0])
    assert figures["mIoU"][1] == figures["AP"][1] == 0
    assert figures["length error"][1] == 1


def test_precision_at_every_recall() -> None:
    found = [sperm(0, 0, score=0.9), sperm(50, 45, score=0.8), sperm(0, 30, score=0.7)]
    table = FigureTable([score_image([sperm(0, 0), sperm(0, 30)], found, SHAPE, ("head", "flagellum"))])
    curve = table.precision_recall(0.5)
    assert curve[:51].tolist() == [1.0] * 51
    assert curve[51:] == pytest.approx([2 / 3] * 50)


def test_what_is_not_known_is_left_out_of_means() -> None:
    assert nanmean(np.array([[1.0, np.nan], [3.0, np.nan]])) == pytest.approx([2.0, np.nan], nan_ok=True)
    assert ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])) == pytest.approx([0.5, np.nan], nan_ok=True)
