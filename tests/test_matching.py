"""Which tail is whose: ends, angles, the best total, bent necks, and what the model says of it."""

import itertools

import numpy as np
import pytest

from cascade.config import CS3Config, MatchingConfig
from cascade.geometry import ellipse_axes, paint_polyline
from cascade.instances import joined
from cascade.matching import Views, best_total, fitting, flow, match, outline
from cascade.necks import find_necks
from cascade.sam.protocol import DenseMaps
from cascade.types import Head, Pair, Region, Tail
from cascade.widths import darkness

HL = 30.0
SHAPE = (200, 300)
PLAIN = MatchingConfig(min_score=0.3)  # the witnesses alone are not as sure as with a look
PAPER = CS3Config.paper().matching
DOUBTFUL = MatchingConfig(min_score=0.02)


def head_at(x, y, degrees=0.0):
    """A head 30 px long and 16 wide; `degrees` counter-clockwise."""
    turn = np.radians(degrees)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    along = (columns - x) * np.cos(turn) - (rows - y) * np.sin(turn)
    across = (columns - x) * np.sin(turn) + (rows - y) * np.cos(turn)
    region = Region.from_full((along / 15) ** 2 + (across / 8) ** 2 <= 1)
    return Head(region, 0.9, *ellipse_axes(region))


def tail_along(*corners, score=0.95):
    corners = np.array(corners, float)
    line = np.concatenate(
        [np.linspace(a, b, 60, endpoint=False) for a, b in itertools.pairwise(corners)] + [corners[-1:]]
    )
    return Tail(paint_polyline(line, 3, SHAPE), score, line, 3.0)


def paired(heads, tails, config=PLAIN, **what):
    return {(pair.head, pair.tail): pair for pair in match(heads, tails, HL, config, **what)}


HEAD = head_at(60, 100)  # its ends are at x = 45 and 75


@pytest.mark.parametrize("reverse", [False, True])
def test_a_tail_that_leaves_along_the_axis_is_the_heads(reverse):
    corners = [(80, 100), (200, 105)]
    pairs = paired([HEAD], [tail_along(*(corners[::-1] if reverse else corners))])
    pair = pairs[0, 0]
    assert pair.anchor == pytest.approx([75, 100], abs=1)
    assert pair.reverse is reverse
    assert 0.3 < pair.score <= 1


def test_a_tail_may_leave_either_end():
    (pair,) = match([HEAD], [tail_along((40, 100), (5, 40), (5, 5))], HL, PLAIN)
    assert pair.anchor == pytest.approx([45, 100], abs=1)


@pytest.mark.parametrize("config", [PLAIN, PAPER])
def test_a_tail_that_runs_back_over_the_head_is_not_the_heads(config):
    """It begins at the head's right end, but runs to the left: the wrong end."""
    assert not paired([HEAD], [tail_along((78, 100), (10, 96))], config)


@pytest.mark.parametrize(("distance", "near"), [(15, True), (18, False)])
def test_distance_limit(distance, near):
    """The paper's 0.556 of 30 px is 16.7 px from the end of the axis."""
    x = HEAD.ends[:, 0].max() + distance
    assert bool(paired([HEAD], [tail_along((x, 100), (x + 100, 100))], PAPER)) is near


@pytest.mark.parametrize(
    ("degrees", "within"), [(0, True), (55, True), (-55, True), (65, False), (120, False)]
)
def test_angle_limit(degrees, within):
    way = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    tail = tail_along((78, 100), (78, 100) + 80 * way)
    assert bool(paired([HEAD], [tail], PAPER)) is within


def test_one_tail_a_head_by_the_best_total():
    """The tail between both heads fits the lower one better, but the other tail fits no head but that."""
    upper, lower = head_at(60, 90), head_at(60, 104)
    between = tail_along((78, 99), (220, 99))
    below = tail_along((78, 114), (220, 140))
    single = paired([upper, lower], [between], DOUBTFUL)
    assert set(single) == {(1, 0)}
    assert set(paired([upper, lower], [between, below], DOUBTFUL)) == {(0, 0), (1, 1)}


def test_of_two_tails_the_better_fits_the_only_head():
    straight, slanted = tail_along((78, 100), (200, 100)), tail_along((78, 104), (180, 180))
    assert set(paired([HEAD], [slanted, straight])) == {(0, 1)}


def test_a_stub_does_not_beat_a_whole_tail():
    whole, stub = tail_along((80, 101), (250, 110)), tail_along((77, 100), (87, 100))
    assert set(paired([HEAD], [stub, whole])) == {(0, 1)}


SIDEWAYS = tail_along((60, 110), (60, 190))
"""Leaves the middle of the head's side at a right angle: passes by."""


def test_a_tail_that_passes_by_is_not_the_heads():
    assert not paired([HEAD], [SIDEWAYS])


def test_a_bent_neck_is_a_neck():
    """It leaves the head's right end at a right angle."""
    pair = paired([HEAD], [tail_along((78, 101), (78, 195))], DOUBTFUL)[0, 0]
    assert pair.anchor == pytest.approx([75, 100], abs=1)


def test_a_tail_beside_the_neck_is_led_to_the_nearest_outline():
    """The neck lies at (75, 100); the tail comes from (70, 108), beside and behind it."""
    pair = paired([HEAD], [tail_along((70, 108), (150, 190))], DOUBTFUL)[0, 0]
    assert pair.anchor[0] < 72
    assert np.hypot(*(pair.anchor - [70, 108])) < 4


def test_a_dark_beginning_speaks_for_a_midpiece():
    """Two tails alike, but one begins darker than tails are."""
    upper, lower = tail_along((79, 96), (200, 60)), tail_along((79, 104), (200, 140))
    dark = np.full(SHAPE, 50.0)
    dark[100:125, 79:105] = 120
    (pair,) = match([HEAD], [upper, lower], HL, PLAIN, Views(dark=dark))
    assert pair.tail == 1
    dark[75:100, 79:105] = 200
    (pair,) = match([HEAD], [upper, lower], HL, PLAIN, Views(dark=dark))
    assert pair.tail == 0


def test_the_direction_map_tells_which_end_is_the_heads():
    """A tail between two heads, its direction towards the right one."""
    left, right = HEAD, head_at(220, 100)
    tail = tail_along((80, 100), (200, 100))
    for towards, owner in ((1, 1), (-1, 0)):
        direction = np.zeros((*SHAPE, 2))
        direction[..., 0] = towards
        pairs = paired([left, right], [tail], views=Views(direction))
        assert set(pairs) == {(owner, 0)}
        assert pairs[owner, 0].reverse is (owner == 1)


def test_the_direction_map_may_be_left_aside():
    direction = np.zeros((*SHAPE, 2))
    direction[..., 0] = 1
    config = MatchingConfig(use_direction=False)
    tail = tail_along((80, 100), (200, 100))
    with_map = match([HEAD], [tail], HL, config, Views(direction))[0]
    assert with_map.score == match([HEAD], [tail], HL, config)[0].score


@pytest.mark.parametrize(("heads", "tails"), [([], []), ([HEAD], []), ([], [SIDEWAYS])])
def test_nothing_to_pair(heads, tails):
    assert match(heads, tails, HL, MatchingConfig()) == []


@pytest.mark.parametrize(("towards", "want"), [((-1, 0), 1), ((1, 0), -1), ((0, 1), 0), ((0, 0), 0)])
def test_flow_is_one_where_the_map_runs_towards_the_first_point(towards, want):
    direction = np.tile(np.array(towards, float), (*SHAPE, 1))
    assert flow(tail_along((10, 20), (90, 20)), direction) == pytest.approx(want, abs=1e-6)


def test_flow_is_unknown_without_a_map():
    assert flow(tail_along((10, 20), (90, 20)), None) == 0


def test_a_joined_tail_begins_at_its_head():
    tail = tail_along((200, 100), (80, 100))
    (pair,) = match([HEAD], [tail], HL, PLAIN)
    assert joined(pair, tail).centreline[0] == pytest.approx([80, 100])
    assert tail.centreline[0] == pytest.approx([200, 100])
    kept = Pair(0, 0, pair.anchor, 0.5, reverse=False)
    assert joined(kept, tail) is tail


def test_an_outline_lies_on_the_heads_rim():
    edge = outline(HEAD)
    on_rim = ((edge[:, 0] - 60) / 15) ** 2 + ((edge[:, 1] - 100) / 8) ** 2
    assert on_rim.max() <= 1
    assert on_rim.min() > 0.6
    assert np.hypot(*(edge[None] - edge[:, None]).transpose(2, 0, 1)).max() >= 29


def half_dark(dark_side):
    """Black on the side where the tail of `HEAD` is to be looked for, pale on the other."""
    image = np.full((*SHAPE, 3), 180, np.uint8)
    image[:, :60] = 40 if dark_side == "left" else 180
    image[:, 60:] = 40 if dark_side == "right" else 180
    return darkness(image)


@pytest.mark.parametrize(("dark_side", "want"), [("left", {(0, 1)}), ("right", {(0, 0)})])
def test_the_darker_end_gets_the_tail(dark_side, want):
    right, left = tail_along((80, 100), (250, 100)), tail_along((40, 100), (5, 100))
    views = Views(necks=find_necks([HEAD], half_dark(dark_side)))
    assert set(paired([HEAD], [right, left], views=views)) == want


def test_a_tail_at_the_acrosome_is_nobodys():
    views = Views(necks=find_necks([HEAD], half_dark("left")))
    assert paired([HEAD], [tail_along((80, 100), (250, 100))], views=views) == {}


@pytest.mark.parametrize(("seen", "want"), [(1.0, {(0, 0)}), (0.0, set())])
def test_a_tail_that_begins_further_off_is_the_heads_where_flagellum_is_seen_in_between(seen, want):
    """It begins 30 px, a head length, ahead of the head's end at x = 75."""
    far = tail_along((105, 100), (295, 100), score=0.8)
    views = Views(seen=np.full(SHAPE, seen))
    assert set(paired([HEAD], [far], views=views)) == want
    assert not paired([HEAD], [far], PAPER, views=views)


def test_a_long_tail_further_off_beats_a_stub_at_the_neck():
    """The stub ends where another tail was found to cross; what lies beyond is the tail."""
    stub, beyond = tail_along((76, 100), (84, 100)), tail_along((95, 100), (295, 100))
    assert set(paired([HEAD], [stub, beyond], views=Views(seen=np.ones(SHAPE)))) == {(0, 1)}


def test_unsure_pairs_are_left_alone():
    faint = tail_along((80, 100), (120, 100), score=0.3)
    assert not paired([HEAD], [faint])
    assert paired([HEAD], [faint], MatchingConfig(min_score=0.02))


def odds(pair):
    return np.log(pair.score / (1 - pair.score))


def test_that_a_tail_has_a_head_decides_what_may_be_a_pair_and_not_how_well_it_fits():
    doubtful, other = tail_along((92, 112), (150, 180)), tail_along((84, 104), (200, 110))
    plain = fitting([HEAD], [doubtful, other], HL, DOUBTFUL)
    between = MatchingConfig(min_score=min(2 * plain[0, 0].score, plain[0, 1].score / 2))
    known = {"prior": [2.0, 0.0]}
    assert set(fitting([HEAD], [doubtful, other], HL, between)) == {(0, 1)}
    fits = fitting([HEAD], [doubtful, other], HL, between, **known)
    assert {place: pair.score for place, pair in fits.items()} == {p: one.score for p, one in plain.items()}
    (alone,) = best_total({(0, 0): fits[0, 0]}, between, **known)
    assert odds(alone) == pytest.approx(odds(plain[0, 0]) + 2)


def test_of_two_tails_that_fit_alike_the_one_that_has_a_head_gets_it():
    first, second = tail_along((80, 101), (200, 110)), tail_along((80, 99), (200, 90))
    fits = fitting([HEAD], [first, second], HL, DOUBTFUL)
    for prior, tail in (([2.0, 0.0], 0), ([0.0, 2.0], 1)):
        assert [pair.tail for pair in best_total(fits, DOUBTFUL, prior)] == [tail]


def test_a_map_of_zeros_is_no_direction():
    none, some = np.zeros((4, 5, 2)), np.zeros((4, 5, 2))
    some[2, 3] = (0, 1)
    for direction, known in ((none, None), (some, some)):
        maps = DenseMaps(none[..., 0], none[..., 0], direction)
        views = Views.of(maps, none[..., 0], [])
        assert views.direction is known
