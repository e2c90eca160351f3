"""Short pieces at heads go on, and no tail is longer than tails are."""

import pytest

from cascade.lengths import being_one, going_on


@pytest.mark.parametrize(("length", "odds"), [(0.0, 3.0), (2.0, 3.0), (3.5, 1.5), (5.0, 0.0), (9.0, 0.0)])
def test_the_shorter_a_piece_at_a_head_the_rather_it_goes_on(length, odds):
    assert going_on(length, at_head=True) == pytest.approx(odds)


def test_a_piece_without_a_head_may_be_of_any_length():
    assert going_on(1.0, at_head=False) == 0


@pytest.mark.parametrize(("length", "odds"), [(9.0, 0.0), (11.5, 0.0), (12.5, -1.0), (20.0, -8.5)])
def test_pieces_that_are_too_long_together_are_hardly_one(length, odds):
    assert being_one(length) == pytest.approx(odds)
