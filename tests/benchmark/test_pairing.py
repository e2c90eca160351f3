import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.benchmark.pairing import nearest_pairs
from cascade.types import Head, Region, Tail

DOT = Region(np.ones((1, 1), bool), 0, 0)


def head(x, y):
    """20 px long, along x: its ends lie 10 px left and right of the centre."""
    return Head(DOT, 1.0, np.array([x, y], float), np.array([1.0, 0.0]), 20.0, 10.0)


def tail(*points):
    return Tail(DOT, 1.0, np.array(points, float), 2.0)


def test_nearest_end_wins_whatever_its_angle():
    # The first tail leaves along the axis 5 px off; the second only passes, crosswise, but ends 2 px off.
    pairs = nearest_pairs([head(0, 0)], [tail((15, 0), (90, 0)), tail((10, 80), (10, 2))], 30)
    assert [(p.head, p.tail, p.reverse) for p in pairs] == [(0, 1, True)]
    np.testing.assert_array_equal(pairs[0].anchor, [10, 0])
    assert pairs[0].score == pytest.approx(1 - 2 / 30)


def test_closest_first_even_where_the_total_gets_worse():
    # The left tail lies 12 px from head 0 and 2 px from head 1, the right one 10 px from head 1: the best
    # total leaves each head its own, but the closest two come first.
    heads = [head(0, 0), head(34, 0)]  # their ends: x = -10, 10 and x = 24, 44
    tails = [tail((22, 0), (22, 90)), tail((54, 0), (54, 90))]
    pairs = nearest_pairs(heads, tails, 100)
    assert [(p.head, p.tail) for p in pairs] == [(1, 0), (0, 1)]


def test_reach_includes_its_end():
    assert len(nearest_pairs([head(0, 0)], [tail((15, 0), (90, 0))], 5)) == 1
    assert nearest_pairs([head(0, 0)], [tail((15, 0), (90, 0))], 4.9) == []


def test_nothing_to_pair():
    assert nearest_pairs([], [tail((0, 0), (9, 0))], 10) == []
    assert nearest_pairs([head(0, 0)], [], 10) == []


places = st.tuples(st.integers(0, 100), st.integers(0, 100))


@given(st.lists(places, max_size=5), st.lists(st.tuples(places, places), max_size=5), st.floats(0.5, 200))
def test_one_to_one_within_reach_and_nothing_left_that_could_join(centres, lines, reach):
    heads, tails = [head(*centre) for centre in centres], [tail(*line) for line in lines]
    pairs = nearest_pairs(heads, tails, reach)
    assert len({p.head for p in pairs}) == len({p.tail for p in pairs}) == len(pairs)
    for pair in pairs:
        end = tails[pair.tail].centreline[-1 if pair.reverse else 0]
        assert np.hypot(*(end - pair.anchor)) <= reach
        assert pair.score == pytest.approx(1 - np.hypot(*(end - pair.anchor)) / reach)
    free_heads = [h for i, h in enumerate(heads) if i not in {p.head for p in pairs}]
    free_tails = [t for i, t in enumerate(tails) if i not in {p.tail for p in pairs}]
    assert nearest_pairs(free_heads, free_tails, reach) == []
