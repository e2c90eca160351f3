"""Heads with two tails and tails with two heads: said where it is sure, and nowhere else."""

import pytest
from drawn_field import CROSSING, Drawn, TruthModel, picture, swimming
from test_matching import HEAD, HL, SHAPE, head_at, tail_along

from cascade.config import CS3Config, DoublesConfig
from cascade.doubles import Double, find_doubles
from cascade.matching import best_total, fitting
from cascade.pipeline import segment
from cascade.types import Pair

ALONE = CS3Config().changed(preprocess={"head_length_px": 30}, matching={"use_direction": False})
"""The model of drawn fields gives every tail one head and every head one tail: here it is not asked."""
CENTRE = (300, 140)
ONE = swimming(CENTRE, (520, 140))
AT_OTHER_NECK = Drawn(None, (284, 140), (60, 140))
FIRST = tail_along((76, 100), (200, 100))
SECOND = tail_along((44, 100), (5, 60), (5, 5))


def remarks(sperm):
    found = segment(picture(sperm), model=TruthModel(sperm), config=ALONE).sperm
    return {one.sperm_id: [str(remark) for remark in one.remarks] for one in found if one.remarks}


def doubles(heads, tails, **settings):
    matching = ALONE.matching
    fits = fitting(heads, tails, HL, matching)
    pairs = best_total(fits, matching)
    return find_doubles(heads, tails, pairs, fits, HL, SHAPE, DoublesConfig(min_score=0.4, **settings)), pairs


def test_a_drawn_head_with_two_tails_is_said_to_have_them():
    assert remarks((ONE, AT_OTHER_NECK)) == {1: ["second tail 2"], 2: ["second tail of 1"]}


def test_a_drawn_tail_with_a_head_at_each_end_is_said_to_have_them():
    both = (Drawn((100, 140), (116, 140), (484, 140)), Drawn((500, 140)))
    assert remarks(both) == {1: ["second head 2"], 2: ["second head of 1"]}


@pytest.mark.parametrize(
    "sperm",
    [
        CROSSING,
        (ONE,),
        (ONE, swimming((330, 200), (330, 60))),  # another's tail passes near the neck
        (ONE, Drawn(None, (240, 140), (60, 140))),  # begins too far from the head
        (ONE, Drawn((560, 200))),  # a head alone, away from the tail's tip
    ],
)
def test_what_only_lies_near_gets_no_remark(sperm):
    assert remarks(sperm) == {}


def test_pairs_stay_as_they_are():
    found, pairs = doubles([HEAD], [FIRST, SECOND])
    assert [(pair.head, pair.tail) for pair in pairs] == [(0, 0)]
    assert found == [Double(0, "second tail", 1)]


def test_a_second_tail_may_leave_the_same_neck():
    fork = tail_along((77, 103), (130, 125), (200, 150))
    assert len(doubles([HEAD], [FIRST, fork])[0]) == 1


def test_a_halo_is_no_second_tail():
    halo = tail_along((76, 103), (200, 103))
    assert doubles([HEAD], [FIRST, halo])[0] == []


def test_what_goes_on_at_the_firsts_tip_is_no_second_tail():
    short = tail_along((76, 100), (140, 100))
    on = tail_along((78, 106), (120, 130), (150, 105))  # its far end lies at the tip of the first
    assert doubles([HEAD], [short, on])[0] == []


def test_a_tail_that_could_be_another_heads_is_no_second_tail():
    pairs = [Pair(0, 0, HEAD.ends[1], 0.9, reverse=False), Pair(1, 2, HEAD.ends[0], 0.9, reverse=False)]
    fits = {(pair.head, pair.tail): pair for pair in pairs}
    fits[0, 1] = Pair(0, 1, HEAD.ends[0], 0.9, reverse=False)
    heads, tails = [HEAD, head_at(15, 100)], [FIRST, SECOND, tail_along((-1, 100), (-1, 10))]
    assert find_doubles(heads, tails, pairs, fits, HL, SHAPE, DoublesConfig()) == [
        Double(0, "second tail", 1)
    ]
    fits[1, 1] = Pair(1, 1, HEAD.ends[0], 0.5, reverse=False)
    assert find_doubles(heads, tails, pairs, fits, HL, SHAPE, DoublesConfig()) == []


@pytest.mark.parametrize(
    ("second", "settings"),
    [
        (tail_along((44, 100), (10, 100)), {}),  # a stub
        (tail_along((30, 100), (5, 60), (5, 5)), {}),  # begins off the head
        (SECOND, {"min_tail_score": 0.99}),
        (SECOND, {"enabled": False}),
    ],
)
def test_what_is_not_sure_is_no_second_tail(second, settings):
    assert doubles([HEAD], [FIRST, second], **settings)[0] == []


def test_nothing_has_no_doubles():
    assert doubles([], [])[0] == []
    assert doubles([HEAD], [])[0] == []
