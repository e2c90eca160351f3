from itertools import pairwise

import numpy as np
import pytest

from cascade.config import MatchingConfig
from cascade.explain.reasons import counted, fit, fit_of, kind, lonely_heads, lonely_tails, sharpest_turn
from cascade.pipeline import Trace
from cascade.types import Head, Pair, Region, Tail

UNIT = 20.0


def head(x, y):
    """20 × 10 px, lying along x."""
    region = Region(np.ones((10, 20), bool), x - 10, y - 5)
    return Head(region, 0.9, np.array([x, y], float), np.array([1.0, 0.0]), 20.0, 10.0)


def tail(*points):
    line = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(points)])
    return Tail(Region(np.ones((1, 1), bool), 0, 0), 0.8, line.astype(float), 2.0)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("score 0.12 < 0.40", "score < 0.40"),
        ("length 0.31 < 0.50 head lengths", "length < 0.50 head lengths"),
        ("bend of 45° < 90°", "bend < 90°"),
        ("area 2.10 > 1.60 square head lengths", "area > 1.60 square head lengths"),
        ("an end lies on a junction", "an end lies on a junction"),
        ("found already", "found already"),
    ],
)
def test_kind(reason, expected):
    assert kind(reason) == expected


def test_counted():
    reasons = ["score 0.10 < 0.40", "found already", "score 0.20 < 0.40"]
    assert counted(reasons) == "2x score < 0.40, 1x found already"
    assert counted([]) == ""


def test_fit_of_a_tail_that_goes_straight_on():
    best = fit(head(100, 50), tail((116, 50), (200, 50)), UNIT)
    assert best.distance == pytest.approx(6 / UNIT)
    assert best.angle == pytest.approx(0, abs=1)


def test_fit_takes_the_nearer_end():
    best = fit(head(100, 50), tail((200, 50), (100, 90), (88, 50)), UNIT)
    assert best.distance == pytest.approx(2 / UNIT)


def test_fit_of_a_reversed_pair():
    line = tail((200, 50), (116, 50))
    pair = Pair(0, 0, np.array([110.0, 50.0]), 0.5, True)
    found = fit_of(pair, head(100, 50), line, UNIT)
    assert (found.distance, found.angle) == pytest.approx((6 / UNIT, 0), abs=1)


def alone(heads, tails, fits=(), pairs=()):
    trace = Trace(
        heads=list(heads),
        tails=list(tails),
        fits={(one.head, one.tail): one for one in fits},
        pairs=list(pairs),
    )
    config = MatchingConfig(max_distance_hl=0.55, max_angle_deg=60, min_score=0.3)
    return lonely_heads(trace, UNIT, config), lonely_tails(trace, UNIT, config)


def test_too_far():
    heads, tails = alone([head(100, 50)], [tail((150, 50), (250, 50))])
    assert heads == {0: "nearest tail end, T1: distance 2.00 > 0.55 head lengths"}
    assert tails == {0: "nearest head end, H1: distance 2.00 > 0.55 head lengths"}


def test_wrong_angle():
    heads, tails = alone([head(100, 50)], [tail((112, 50), (112, 150))])
    assert heads == {0: "nearest tail end, T1: angle 90° > 60°"}
    assert tails == {0: "nearest head end, H1: angle 90° > 60°"}


def test_not_sure_enough():
    heads, tails = alone([head(100, 50)], [tail((112, 50), (250, 50))])
    assert heads == {0: "nearest tail end, T1, 0.10 head lengths away, 0°: score below 0.30"}
    assert tails == {0: "nearest head end, H1, 0.10 head lengths away, 0°: score below 0.30"}


def test_taken_by_another():
    fits = [Pair(h, 0, np.array([110.0, 50.0 + 4 * h]), 0.5, False) for h in (0, 1)]
    heads, tails = alone([head(100, 50), head(100, 54)], [tail((112, 52), (250, 52))], fits, fits[:1])
    assert heads == {1: "fits T1, taken by H1"}
    assert tails == {}


def test_nothing_to_match():
    heads, tails = alone([head(100, 50)], [])
    assert (heads, tails) == ({0: "no tail was found"}, {})
    heads, tails = alone([], [tail((0, 0), (50, 0))])
    assert (heads, tails) == ({}, {0: "no head was found"})


def test_sharpest_turn_of_a_hairpin():
    line = tail((0, 0), (100, 10), (0, 20)).centreline
    assert sharpest_turn(line, UNIT) == pytest.approx([100, 10], abs=8)


def test_sharpest_turn_of_two_points_lies_on_them():
    line = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert sharpest_turn(line, UNIT)[1] == 0
