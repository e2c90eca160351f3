"""The judge that ships with the package: what it says of drawn links, and how it answers."""

import numpy as np
import pytest

from cascade.errors import ModelError
from cascade.geometry import paint_polyline
from cascade.looks.image import ImageLooks
from cascade.looks.links import LinkLook
from cascade.looks.network import LookJudge, LookNetwork, load_judge
from cascade.looks.picture import CHANNELS, SIDE, Canvas
from cascade.weights import GapLookWeights, JunctionLookWeights

SHAPE, LENGTH = (240, 240), 40.0
MIDDLE = np.array([120.0, 120.0])


def arms(*degrees, apart=0.0):
    """Lines that leave the middle at these angles."""
    out = []
    for one in np.deg2rad(degrees):
        way = np.array([np.cos(one), np.sin(one)])
        out.append(MIDDLE + np.arange(apart, 110.0)[:, None] * way)
    return out


def looks_at(lines):
    """A slide on which nothing but these lines is stained, each 4 px wide."""
    seen = np.zeros(SHAPE, np.float32)
    for one in lines:
        seen[paint_polyline(one, 4, SHAPE).full(SHAPE)] = 1
    return ImageLooks(load_judge(), Canvas.of(60 * seen, seen, np.zeros(seen.shape, bool), LENGTH))


def test_at_a_crossing_tails_run_straight_on():
    east, south, west, north = lines = arms(0, 80, 180, 260, apart=3)
    links = [(east, west), (north, south), (east, south), (west, north), (east, north), (west, south)]
    odds = looks_at(lines).links(lines, links)
    assert odds[:2].min() > odds[2:].max() + 1
    assert odds[:2].min() > 0 > odds[2:].max()


def test_a_line_goes_on_beyond_a_small_gap():
    lines = arms(0, 180, apart=8)
    (odds,) = looks_at(lines).links(lines, [(lines[0], lines[1])])
    assert odds > 0


def test_both_ways_of_a_link_are_the_same():
    lines = arms(0, 150)
    here = looks_at(lines)
    there, back = here.links(lines, [(lines[0], lines[1]), (lines[1], lines[0])])
    assert there == pytest.approx(back, abs=0.15)


def test_a_cut_out_is_looked_at_in_the_image():
    lines = arms(0, 170)
    here = looks_at(lines)
    plain = here.links(lines, [(lines[0], lines[1])])
    moved = [(line - np.array([20.0, 30.0]) + 0.5) * 1.5 - 0.5 for line in lines]
    weights = JunctionLookWeights.shipped(), GapLookWeights.shipped()
    inside = LinkLook(here, *weights).inside((20.0, 30.0), 1.5)
    assert inside.odds(moved, [(moved[0], moved[1])]) == pytest.approx(plain, abs=0.02)


def test_nothing_to_look_at_is_no_trouble():
    assert looks_at([]).links([], []).shape == (0,)
    assert looks_at([]).pairs([], []).shape == (0,)


def test_many_are_judged_as_few_are():
    """More than one batch."""
    pictures = np.random.default_rng(0).integers(0, 255, (70, CHANNELS, SIDE, SIDE), np.uint8)
    judge = LookJudge(LookNetwork())
    together = judge.odds(pictures, pairs=True)
    alone = np.concatenate([judge.odds(pictures[i : i + 1], pairs=True) for i in (0, 65, 69)])
    assert together[[0, 65, 69]] == pytest.approx(alone, abs=0.05)


@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_missing_or_damaged_weights_are_named(content, tmp_path):
    path = tmp_path / "looks.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"looks\.safetensors"):
        load_judge(path)
