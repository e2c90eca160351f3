"""Pieces of one tail become one, heads keep tails apart."""

import numpy as np
import pytest
from drawn_field import LENGTH, Drawn, TruthModel, picture

from cascade.config import JoiningConfig, TailsConfig
from cascade.geometry import paint_polyline
from cascade.joining import join_pieces
from cascade.types import Tail
from cascade.widths import darkness

SHAPE = (160, 300)
LINE = Drawn(None, (40, 60), (260, 60))
CONFIG, ASKING = JoiningConfig(gap_hl=1.2), TailsConfig()


def piece(x0, x1, score=0.8, y=60.0, found_in="S2"):
    line = np.stack([np.arange(min(x0, x1), max(x0, x1) + 1.0), np.full(abs(x1 - x0) + 1, y)], -1)
    line = line if x0 < x1 else line[::-1]
    return Tail(paint_polyline(line, 3, SHAPE), score, line, 3.0, found_in)


def join(tails, at_heads=(), config=CONFIG, sperm=(LINE,)):
    image = picture(sperm, SHAPE)
    encoding = TruthModel(sperm).encode(image, LENGTH)
    first = encoding, encoding.dense
    return join_pieces(tails, at_heads, darkness(image), first, LENGTH, config, ASKING)[0]


@pytest.mark.parametrize("turned", [False, True])
def test_two_pieces_of_a_line_become_one(turned):
    second = piece(260, 150, 0.5, found_in="S3") if turned else piece(150, 260, 0.5, found_in="S3")
    (tail,) = join([piece(40, 130), second])
    assert sorted(tail.centreline[[0, -1], 0].tolist()) == [40, 260]
    assert np.abs(tail.centreline[:, 1] - 60).max() < 0.1
    assert tail.region.full(SHAPE)[60, 42:258].all()
    assert tail.score == pytest.approx((90 * 0.8 + 110 * 0.5) / 200)
    assert tail.found_in == "S3"


def test_three_pieces_in_any_order_become_one():
    (tail,) = join([piece(200, 260), piece(40, 100), piece(120, 180)])
    assert sorted(tail.centreline[[0, -1], 0].tolist()) == [40, 260]


def test_pieces_far_apart_stay():
    """36 px are 1.2 head lengths."""
    assert len(join([piece(40, 130), piece(165, 260)])) == 1
    assert len(join([piece(40, 130), piece(168, 260)])) == 2


def test_nothing_is_joined_at_a_head():
    tails = [piece(40, 130), piece(150, 260)]
    assert join(tails, [(0, 1)]) == tails
    assert join(tails, [(1, 0)]) == tails
    assert len(join(tails, [(0, 0)])) == 1


def test_two_tails_with_a_head_each_stay_two():
    tails = [piece(40, 130), piece(150, 260)]
    assert join(tails, [(0, 0), (1, 1)]) == tails


def test_lines_beside_each_other_stay_two():
    pair = (Drawn(None, (40, 60), (200, 60)), Drawn(None, (40, 75), (200, 75)))
    tails = [piece(40, 200), piece(40, 200, y=75.0)]
    assert join(tails, sperm=pair) == tails


def test_pieces_may_be_left_as_they_are():
    tails = [piece(40, 130), piece(150, 260)]
    assert join(tails, config=JoiningConfig(enabled=False)) is tails
    assert join([]) == []
    assert join(tails[:1]) == tails[:1]


def test_a_tail_runs_on_where_nothing_is_seen():
    """Beneath a head, say."""
    seen = (Drawn(None, (40, 60), (130, 60)), Drawn(None, (165, 60), (260, 60)))
    assert len(join([piece(40, 130), piece(165, 260)], sperm=seen)) == 1


def bent(turn):
    """A piece that goes on near (135, 60), turned by so many degrees."""
    way = np.array([np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))])
    line = np.arange(90.0)[:, None] * way + [135.0, 60.0]
    return Tail(paint_polyline(line, 3, SHAPE), 0.8, line, 3.0, "S3")


@pytest.mark.parametrize(("begins", "joined"), [(95, True), (0, False)])
def test_a_short_piece_at_a_head_rather_goes_on(begins, joined):
    """35 px are hardly more than a head's length, 130 px more than four."""
    tails = [piece(begins, 130), bent(40)]
    assert len(join(tails)) == 2
    assert len(join(tails, [(0, 0)])) == (1 if joined else 2)
