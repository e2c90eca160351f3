"""Limits of agreement and ICC, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.benchmark.bland_altman import agree, icc_2_1


def test_a_constant_difference() -> None:
    points = np.array([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    found = agree(points, np.arange(3), np.ones((5, 3)))
    assert (found.n, found.mean, found.bias.value, found.sd) == (3, 2.5, -1, 0)
    assert found.lower.value == found.upper.value == found.bias.low == -1
    # Between subjects 2, between raters 1.5, error 0: 2 / (2 + 2 · 1.5 / 3).
    assert found.icc.value == pytest.approx(2 / 3)


def test_limits_are_about_two_standard_deviations_away() -> None:
    points = np.array([[10.0, 9.0], [20.0, 21.0], [30.0, 29.0], [40.0, 41.0]])
    found = agree(points, np.zeros(4, int), np.ones((3, 1)))
    sd = np.sqrt(4 / 3)
    assert found.sd == pytest.approx(sd)
    assert found.upper.value == pytest.approx(1.96 * sd) == pytest.approx(-found.lower.value)
    assert found.as_json()["bias"] == {"value": 0, "low": 0, "high": 0}
    assert "points" not in found.as_json()


def test_too_few_sperm_leave_limits_open() -> None:
    none = agree(np.zeros((0, 2)), np.zeros(0, int), np.ones((4, 2))).as_json()
    assert none["n"] == 0
    assert none["mean"] is none["sd"] is none["bias"]["value"] is none["icc"]["high"] is None
    one = agree(np.array([[5.0, 6.0]]), np.zeros(1, int), np.ones((4, 1))).as_json()
    assert one["bias"]["value"] == -1
    assert one["sd"] is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=12))
def test_icc_is_that_of_the_analysis_of_variance(values: list[tuple[float, float]]) -> None:
    table = np.array(values)
    n, k = table.shape
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    subjects = k * ((rows - table.mean()) ** 2).sum() / (n - 1)
    raters = n * ((columns - table.mean()) ** 2).sum() / (k - 1)
    error = ((table - rows - columns + table.mean()) ** 2).sum() / ((n - 1) * (k - 1))
    below = subjects + (k - 1) * error + k * (raters - error) / n
    if below > 1e-3:
        found = icc_2_1(table[:, 0], table[:, 1], np.ones((1, n)))
        assert found[0] == pytest.approx((subjects - error) / below, abs=1e-6)


def test_intervals_come_from_whole_images() -> None:
    points = np.array([[1.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    found = agree(points, np.array([0, 0, 1]), np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]))
    assert found.bias.value == pytest.approx(5 / 3)
    assert (found.bias.low, found.bias.high) == pytest.approx((1, 3), abs=0.1)
