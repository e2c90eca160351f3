"""Short pieces at heads go on, no tail is longer than tails are, and whole ones have heads."""

import numpy as np
import pytest

from cascade.lengths import being_one, going_on, having_a_head
from cascade.types import Region, Tail


@pytest.mark.parametrize(("length", "odds"), [(0.0, 3.0), (2.0, 3.0), (3.5, 1.5), (5.0, 0.0), (9.0, 0.0)])
def test_the_shorter_a_piece_at_a_head_the_rather_it_goes_on(length, odds):
    assert going_on(length, at_head=True) == pytest.approx(odds)


def test_a_piece_without_a_head_may_be_of_any_length():
    assert going_on(1.0, at_head=False) == 0


@pytest.mark.parametrize(("length", "odds"), [(9.0, 0.0), (11.5, 0.0), (12.5, -1.0), (20.0, -8.5)])
def test_pieces_that_are_too_long_together_are_hardly_one(length, odds):
    assert being_one(length) == pytest.approx(odds)


def tail(*corners):
    return Tail(Region(np.ones((1, 1), bool), 0, 0), 0.9, np.array(corners, float), 3.0)


@pytest.mark.parametrize(
    ("corners", "odds"),
    [
        ([(50, 50), (110, 50)], 2.0),  # six head lengths, in view as a whole
        ([(50, 50), (110, 50), (110, 90)], 2.0),
        ([(50, 50), (99, 50)], 0.0),  # a stub
        ([(9, 50), (90, 50)], 0.0),  # its head may lie beyond the border
        ([(90, 50), (9, 50)], 0.0),
        ([(90, 50), (191, 50)], 0.0),
        ([(50, 9), (50, 90)], 0.0),
        ([(50, 20), (50, 90), (120, 141)], 0.0),
        ([(90, 50), (90, 5), (30, 50)], 2.0),  # only the ends count
    ],
)
def test_a_whole_tail_in_view_has_a_head(corners, odds):
    assert having_a_head([tail(*corners)], 10.0, (150, 200)) == [odds]


def test_no_tails_have_no_heads():
    assert having_a_head([], 10.0, (150, 200)) == []
