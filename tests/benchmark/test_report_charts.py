"""Scales, marks and pictures of the report."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.benchmark.report.gallery import choose
from cascade.benchmark.report.svg import MARKS, Chart, Scale, number, padded, x_axis, y_axis
from cascade.benchmark.report.words import grouped

values = st.floats(-1e6, 1e6)


def test_a_scale_puts_values_in_their_place():
    scale = Scale(0, 10, 100, 200)
    assert [scale(value) for value in (0, 5, 10)] == [100, 150, 200]
    assert (scale(-5), scale(50)) == (100, 200)  # kept within the axis
    assert Scale(0, 10, 200, 100)(2.5) == 175
    assert Scale(0.1, 10, 0, 100, log=True)(1) == pytest.approx(50)
    assert Scale(3, 3, 0, 100)(3) == 50


def test_ticks_are_round():
    assert Scale(0, 1, 0, 1).ticks(5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Scale(0.71, 0.83, 0, 1).ticks(3) == [0.75, 0.8]
    assert Scale(-23, 19, 0, 1).ticks(4) == [-20, 0]
    assert Scale(0.5, 40, 0, 1, log=True).ticks() == [0.5, 1, 2, 5, 10, 20]
    assert [number(v) for v in (0.1 + 0.2, 5.0, 2e7)] == ["0.3", "5", "2.00e+07"]


@given(values, st.floats(1e-3, 1e6), st.integers(1, 12))
def test_ticks_lie_within_and_are_few(low, span, count):
    ticks = Scale(low, low + span, 0, 1).ticks(count)
    assert len(ticks) <= count + 1
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def test_padding_leaves_room():
    assert padded([0, 10], 0.1) == (-1, 11)
    assert padded([]) == (0, 1)
    assert padded([float("nan"), 2.0])[0] < 2 < padded([float("nan"), 2.0])[1]


@given(st.lists(st.tuples(values, values), max_size=5), st.text(max_size=20))
def test_charts_are_well_formed(points, text):
    chart = Chart(200, 100, text)
    scale = Scale(0, 1, 0, 100)
    x_axis(chart, scale, 0, 50, text)
    y_axis(chart, scale, 0, 100, text)
    chart.path(points, "curve")
    chart.dots(points, "cloud")
    chart.rect(0, 0, -3, 5, "band", text)
    for point in points:
        for mark in MARKS:
            chart.mark(point, mark, "mark", text, text)
    svg = chart.svg()
    if all(character.isprintable() for character in text):
        ElementTree.fromstring(svg)


def test_best_median_and_worst_are_chosen_once_each():
    by_image = {f"{n}.png": {"mIoU": n / 10} for n in (3, 1, 5, 2, 4)}
    assert [(c.why, c.image) for c in choose(by_image)] == [
        ("best", "5.png"),
        ("median", "3.png"),
        ("worst", "1.png"),
    ]
    assert [c.image for c in choose({"a": {"mIoU": 0.5}, "b": {"mIoU": 0.4}})] == ["a", "b"]
    assert [c.why for c in choose({"a": {"mIoU": 0.5}})] == ["best"]
    assert choose({"a": {}, "b": {"mIoU": np.nan}}) == []


def test_figures_are_grouped_and_none_is_lost():
    groups = grouped(["images", "mIoU", "head IoU", "a new one"])
    assert groups == {
        "Whole sperm": ["mIoU"],
        "Parts, IoU": ["head IoU"],
        "Counts": ["images"],
        "Further": ["a new one"],
    }
