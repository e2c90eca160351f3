"""Links, pairs and sperm of hand-drawn outlines whose truth one can see."""

import numpy as np
import pytest

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.fitting.truth import Judge, exact, majority
from cascade.geometry import ellipse_axes, paint_polyline
from cascade.synthesis import synthesize
from cascade.types import Head, Region, Sperm, Tail

HL = 40.0
SHAPE = (120, 300)


def line(x0, x1, y=60.0):
    step = 1 if x1 >= x0 else -1
    x = np.arange(x0, x1 + step, step, dtype=float)
    return np.stack([x, np.full(len(x), y)], -1)


def band(points, width=5):
    return paint_polyline(points, width, SHAPE)


def head_at(x, y=60.0):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    region = Region.from_full(((columns - x) / 20) ** 2 + ((rows - y) / 12) ** 2 <= 1)
    return Head(region, 0.9, *ellipse_axes(region))


def tail(points):
    return Tail(band(points), 0.8, points, 5.0)


SPERM = AnnotatedSperm(1.0, {"head": head_at(40).region, "tail": band(line(60, 200))})
"""Head from 20 to 60, tail from there to 200."""
OTHER = AnnotatedSperm(1.0, {"head": head_at(40, 20).region, "tail": band(line(60, 200, 20))})
JUDGE = Judge([SPERM, OTHER], HL)
NECKS = head_at(40).ends
NECK, TIP = NECKS[np.argsort(-NECKS[:, 0])]


@pytest.mark.parametrize(
    ("first", "second", "turn", "right"),
    [
        (line(100, 80), line(120, 140), 10, True),
        (line(100, 80), line(120, 140), 170, False),
        (line(100, 80), line(120, 140), 110, None),
        (line(100, 80), line(120, 140, 20), 10, False),
        (line(100, 80), line(120, 140, 100), 10, False),
        (line(230, 210, 100), line(240, 260, 100), 10, None),
        (line(100, 80), np.concatenate([line(120, 130), line(131, 140, 100)]), 10, None),
    ],
    ids=["goes on", "turns back", "turns", "another's", "nobody's", "of nobody", "half on it"],
)
def test_a_link_is_right_when_both_ends_lie_on_one_flagellum(first, second, turn, right):
    assert JUDGE.link(first, second, turn) is right
    assert JUDGE.link(second, first, turn) is right


def test_a_pair_is_right_at_its_neck_and_end_alone():
    own = tail(line(62, 190))
    assert JUDGE.pair(head_at(40), own, False, NECKS, NECK) is True
    assert JUDGE.pair(head_at(40), own, True, NECKS, NECK) is False
    assert JUDGE.pair(head_at(40), own, False, NECKS, TIP) is False
    assert JUDGE.pair(head_at(40), tail(own.centreline[::-1]), True, NECKS, NECK) is True


def test_a_pair_with_anothers_tail_is_wrong_and_of_a_strange_head_unknown():
    assert JUDGE.pair(head_at(40), tail(line(62, 190, 20)), False, NECKS, NECK) is False
    assert JUDGE.pair(head_at(150, 100), tail(line(62, 190)), False, NECKS, NECK) is None


def test_a_sperm_is_right_when_it_is_outlined_so():
    assert JUDGE.sperm(Sperm(1, head_at(40), tail(line(60, 190)), 0.9))
    assert not JUDGE.sperm(Sperm(1, head_at(40), tail(line(60, 280, 100)), 0.9))


def test_an_image_without_outlines_tells_nothing():
    nobody = Judge([], HL)
    assert nobody.link(line(100, 80), line(120, 140), 10) is None
    assert nobody.pair(head_at(40), tail(line(62, 190)), False, NECKS, NECK) is None
    assert not nobody.sperm(Sperm(1, head_at(40), None, 0.9))


@pytest.mark.parametrize(
    ("votes", "says"),
    [
        ([True, True, None], True),
        ([True, False, None], None),
        ([False, False, True], False),
        ([True, None, None], None),
        ([True], True),
        ([], None),
    ],
)
def test_most_of_the_experts_must_agree(votes, says):
    assert majority(votes) is says


def test_a_synthetic_smear_is_its_own_expert():
    smear = synthesize(3, (240, 320), 30.0)
    outlined = exact(smear)
    assert len(outlined) == len(smear.sperm)
    assert sum(bool(one.head.area) for one in outlined) == sum(one.has_head for one in smear.sperm)
    for one, truth in zip(outlined, smear.sperm, strict=True):
        assert one.flagellum.area == (truth.flagellum.area if truth.flagellum is not None else 0)
