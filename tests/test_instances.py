"""Pairs become sperm: the neck is filled, the head's pixels stay the head's, and nothing found is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from cascade.config import InstancesConfig
from cascade.geometry import paint_polyline
from cascade.instances import assemble, confidence, without
from cascade.types import Head, Pair, Region, Tail

HL = 30.0
SHAPE = (100, 200)
CONFIG = InstancesConfig()


def head_at(x, y, score=0.9):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    region = Region.from_full(((columns - x) / 15) ** 2 + ((rows - y) / 8) ** 2 <= 1)
    return Head(region, score, np.array([x, y], float), np.array([1.0, 0.0]), 30.0, 16.0)


def tail_from(x, y, score=0.8, width=3.0, length=60):
    line = np.stack([np.arange(x, x + length + 1.0), np.full(length + 1, float(y))], -1)
    return Tail(paint_polyline(line, width, SHAPE), score, line, width)


HEAD = head_at(40, 50)  # its right end is at (55, 50)
PAIR = Pair(0, 0, np.array([55.0, 50.0]), 0.7, reverse=False)


def test_a_pair_is_a_complete_sperm_in_one_piece():
    """The tail was found 8 px away from the head."""
    (sperm,) = assemble([HEAD], [tail_from(63, 50)], [PAIR], HL, SHAPE, CONFIG)
    assert sperm.complete
    assert sperm.sperm_id == 1
    assert sperm.score == pytest.approx(confidence(PAIR, tail_from(63, 50), HL, CONFIG))
    assert ndimage.label(sperm.region.full(SHAPE))[1] == 1
    assert sperm.region.full(SHAPE)[50, 40:124].all()


def test_the_gap_is_filled_at_the_tails_width():
    (sperm,) = assemble([HEAD], [tail_from(63, 50)], [PAIR], HL, SHAPE, CONFIG)
    columns = sperm.tail.region.full(SHAPE).sum(0)
    assert (columns[57:120] == 3).all()


def test_pixels_of_the_head_are_not_the_tails():
    (sperm,) = assemble([HEAD], [tail_from(45, 50)], [PAIR], HL, SHAPE, CONFIG)
    assert sperm.tail.region.intersection_area(sperm.head.region) == 0
    assert sperm.head.region is HEAD.region


def test_the_centreline_begins_at_the_head_whichever_way_it_was_found():
    tail = tail_from(63, 50)
    backwards = Tail(tail.region, tail.score, tail.centreline[::-1], tail.width)
    pair = Pair(0, 0, PAIR.anchor, 0.7, reverse=True)
    (sperm,) = assemble([HEAD], [backwards], [pair], HL, SHAPE, CONFIG)
    assert sperm.tail.centreline[0].tolist() == [55, 50]
    assert sperm.tail.centreline[1].tolist() == [63, 50]
    assert sperm.tail.centreline[-1].tolist() == [123, 50]


@pytest.mark.parametrize(("found", "want"), [(1.0, 3.0), (3.3, 3.3), (9.0, 6.0)])
def test_a_tails_width_is_kept_within_limits(found, want):
    config = InstancesConfig(min_tail_width_hl=0.1, max_tail_width_hl=0.2)
    (sperm,) = assemble([], [tail_from(60, 50, width=found)], [], HL, SHAPE, config)
    assert sperm.tail.width == pytest.approx(want)
    assert sperm.tail.region.full(SHAPE)[:, 90].sum() == pytest.approx(want, abs=1)


def test_what_stays_alone_is_kept_behind_the_complete_and_numbered_through():
    heads = [head_at(40, 20, 0.6), head_at(40, 50), head_at(40, 80, 0.8), head_at(120, 80, 0.95)]
    tails = [tail_from(120, 20, 0.5), tail_from(60, 80), tail_from(60, 50), tail_from(120, 50, 0.9)]
    pairs = [Pair(2, 1, np.array([55.0, 80.0]), 0.5, False), Pair(1, 2, np.array([55.0, 50.0]), 0.9, False)]
    sperm = assemble(heads, tails, pairs, HL, SHAPE, CONFIG)
    assert [one.sperm_id for one in sperm] == [1, 2, 3, 4, 5, 6]
    assert [one.head and one.head.region for one in sperm] == [
        *(heads[h].region for h in (1, 2, 3, 0)),
        None,
        None,
    ]
    assert [one.tail and one.tail.score for one in sperm] == [0.8, 0.8, None, None, 0.9, 0.5]
    assert [one.complete for one in sperm] == [True, True, False, False, False, False]
    assert [one.score for one in sperm[2:]] == pytest.approx([0.475, 0.3, 0.45, 0.25])


def test_nothing_found_is_no_sperm():
    assert assemble([], [], [], HL, SHAPE, CONFIG) == ()


def regions():
    masks = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6)))
    return st.builds(Region.from_full, masks, st.integers(0, 6), st.integers(0, 6))


@given(regions(), regions())
def test_without_leaves_the_pixels_that_only_the_first_has(first, second):
    shape = (14, 14)
    left = without(first, second)
    assert np.array_equal(left.full(shape), first.full(shape) & ~second.full(shape))


def test_confidence_grows_with_pair_tail_and_length():
    """A pair 0.5 sure, a tail 0.5 sure, 2 head lengths long: log-odds -1 + 0.4 · 2."""
    weights = {"constant": -1.0, "pair": 0.3, "tail": 1.2, "length": 0.4}
    config = InstancesConfig(weights=weights)
    even, tail = Pair(0, 0, PAIR.anchor, 0.5, reverse=False), tail_from(63, 50, 0.5)
    middling = confidence(even, tail, HL, config)
    assert middling == pytest.approx(1 / (1 + np.exp(0.2)), abs=1e-3)
    assert (
        confidence(PAIR, tail, HL, config) > middling > confidence(even, tail_from(63, 50, 0.4), HL, config)
    )
    assert confidence(even, tail_from(63, 50, 0.5, length=90), HL, config) > middling


def test_confidence_is_a_probability_with_the_shipped_weights():
    even = Pair(0, 0, PAIR.anchor, 0.5, reverse=False)
    assert 0 < confidence(even, tail_from(63, 50, 0.0), HL, CONFIG) < 0.5
    assert confidence(even, tail_from(63, 50, 1.0, length=90), HL, CONFIG) < 1
