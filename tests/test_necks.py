"""Which end of a head its tail leaves from: the darker one."""

import numpy as np
import pytest

from cascade.geometry import ellipse_axes
from cascade.necks import Neck, find_necks, neck_beside, polarity
from cascade.types import Head, Region
from cascade.widths import darkness

SHAPE = (60, 100)
WHITE = np.full((*SHAPE, 3), 240, np.uint8)


def head(x=50, y=30):
    """A head 40 px long, lying along x."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    region = Region.from_full(((columns - x) / 20) ** 2 + ((rows - y) / 10) ** 2 <= 1)
    return Head(region, 0.9, *ellipse_axes(region))


def picture(left, right, x=50):
    out = WHITE.copy()
    out[:, :x], out[:, x:] = left, right
    return darkness(out)


@pytest.mark.parametrize(("left", "right", "want"), [(60, 160, "left"), (160, 60, "right")])
def test_the_darker_end_is_the_neck(left, right, want):
    likely = max(find_necks([head()], picture(left, right)), key=lambda neck: neck.odds)
    assert likely.probability > 0.95
    assert likely.place == pytest.approx([30 if want == "left" else 70, 30], abs=1)
    assert likely.out == pytest.approx([-1 if want == "left" else 1, 0], abs=0.05)


@pytest.mark.parametrize("dark", [None, picture(100, 100)])
def test_without_a_difference_both_ends_are_as_likely(dark):
    assert [neck.probability for neck in find_necks([head()], dark)] == [0.5, 0.5]


def test_a_slight_difference_says_little():
    assert 0.5 < max(neck.probability for neck in find_necks([head()], picture(100, 102))) < 0.7


def test_a_head_that_reaches_over_the_border_is_judged_by_what_is_seen():
    region = Region(np.ones((20, 40), bool), 80, 20)  # the right half lies outside
    over = Head(region, 0.9, np.array([99.5, 29.5]), np.array([1.0, 0.0]), 40.0, 20.0)
    assert polarity(over, picture(60, 160)) == 0.0


def test_a_tail_may_leave_beside_the_long_axis_where_the_head_is_dark():
    one = head()
    across = np.full(SHAPE, 100.0)
    across[30:] = 200.0
    below, above = (neck_beside(0, one, np.array([50.0, y]), across) for y in (40.0, 20.0))
    assert below.out == pytest.approx([0, 1], abs=0.05)
    assert below.odds > 1 > above.odds


def test_beside_the_long_axis_is_less_likely_than_at_its_end():
    one = head()
    neck = neck_beside(0, one, np.array([50.0, 40.0]), picture(100, 100))
    assert neck.odds < find_necks([one])[0].odds == 0.0


def test_no_heads_no_necks():
    assert find_necks([]) == []


def test_a_neck_moves_with_its_picture():
    neck = Neck(0, np.array([30.0, 20.0]), np.array([1.0, 0.0]), 2.0).moved(2.0, (10, 10))
    assert neck.place == pytest.approx([40.5, 20.5])  # pixel centres: the corner of pixel 20 doubles
    assert neck.odds == 2.0
