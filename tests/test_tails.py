"""The cascade on drawn fields: single tails first, and what hid behind them in later rounds."""

import cv2
import numpy as np
import pytest
from drawn_field import LENGTH, Drawn, TruthModel, picture

from cascade.config import TailsConfig
from cascade.geometry import paint_polyline
from cascade.rounds import Rejected, beside, one_round, remembered, sharpest_bend, understood
from cascade.sam.protocol import DenseMaps
from cascade.tails import find_tails
from cascade.types import Tail

SHAPE = (160, 300)
CONFIG = TailsConfig()
LINE = Drawn(None, (40, 40), (240, 70))
ACROSS = np.stack([np.full(101, 150.0), np.arange(30.0, 131.0)], -1)
ALONG = np.stack([np.arange(60.0, 241.0), np.full(181, 80.0)], -1)


def encoder(sperm, **model):
    truth = TruthModel(sperm, **model)

    def encode(pixels):
        encoding = truth.encode(pixels, LENGTH)
        return encoding, encoding.dense

    return encode


NOTHING = np.zeros(SHAPE, bool)


def run(sperm, config=CONFIG, image=None, heads=None, **model):
    image = picture(sperm, SHAPE) if image is None else image
    heads = np.zeros(SHAPE, bool) if heads is None else heads
    encode = encoder(sperm, **model)
    return find_tails(image, encode(image)[1], heads, (), encode, LENGTH, config)


def ends(tail):
    """Both ends of a tail, the upper left one first."""
    return np.array(sorted(tail.centreline[[0, -1]].tolist(), key=sum))


def drawn_ends(one):
    return np.array(sorted([one.start, one.end], key=sum))


def test_a_tail_is_found_from_end_to_end():
    (tail,), _, _ = run([LINE])
    assert ends(tail) == pytest.approx(drawn_ends(LINE), abs=4)
    along = np.subtract(LINE.end, LINE.start) / np.hypot(*np.subtract(LINE.end, LINE.start))
    across = (tail.centreline - LINE.start) @ np.array([-along[1], along[0]])
    assert np.abs(across).max() < 1
    assert tail.found_in == "S2"
    assert 0.8 < tail.score <= 1
    assert tail.region.full(SHAPE)[
        tuple(tail.centreline[len(tail.centreline) // 2].round().astype(int)[::-1])
    ]


def test_a_round_without_rejects_is_the_last():
    tails, rounds, gone = run([LINE])
    (only,) = rounds
    assert only.name == "S2"
    assert only.found == tails
    assert only.rejected == []
    assert gone[picture([LINE], SHAPE, 1)[..., 0] < 200].mean() > 0.98


@pytest.mark.parametrize("prompts", ["foreground", "grid"])
def test_tails_that_cross_are_two(prompts):
    cross = [Drawn(None, (40, 30), (240, 130)), Drawn(None, (40, 130), (240, 30))]
    tails, _, _ = run(cross, TailsConfig(prompts=prompts, grid_side=20))
    found = sorted(tails, key=lambda tail: ends(tail)[0, 1])
    assert len(found) == 2
    for tail, one in zip(found, cross, strict=True):
        assert ends(tail) == pytest.approx(drawn_ends(one), abs=5)


BAR, STEM = Drawn(None, (30, 60), (270, 60)), Drawn(None, (150, 140), (150, 62))


def test_a_tail_that_ends_on_another_is_understood_a_round_later():
    """Where it ends, two others meet; once the bar is painted over, it has an end of its own."""
    tails, rounds, gone = run([STEM, BAR])
    assert [tail.found_in for tail in tails] == ["S2", "S3"]
    assert ends(tails[0]) == pytest.approx(drawn_ends(BAR), abs=4)
    assert ends(tails[1]) == pytest.approx(drawn_ends(STEM), abs=6)
    assert [one.reason for one in rounds[0].rejected] == ["an end lies on a junction"]
    assert (rounds[1].image[58:63, 60:120] == 240).all()
    assert gone[60, 40]
    assert gone[120, 150]


def test_a_round_that_adds_nothing_is_the_last():
    stub = Drawn(None, (40, 40), (52, 40))
    tails, rounds, _ = run([stub], TailsConfig(rounds=5))
    assert tails == []
    assert [one.name for one in rounds] == ["S2"]
    (rejected,) = rounds[0].rejected
    assert rejected.reason.startswith("length 0.")


def test_specks_are_no_part_of_the_foreground():
    image = picture([LINE], SHAPE)
    image[100:103, 100:103] = (60, 150, 60)
    tails, rounds, _ = run([LINE], image=image)
    assert len(tails) == len(rounds) == 1
    assert not rounds[0].foreground[100:103, 100:103].any()


def test_rounds_are_limited():
    tails, rounds, _ = run([STEM, BAR], TailsConfig(rounds=1))
    assert len(tails) == len(rounds) == 1
    heads = np.zeros(SHAPE, bool)
    heads[3, 4] = True
    tails, rounds, gone = run([LINE], TailsConfig(rounds=0), heads=heads)
    assert (tails, rounds) == ([], [])
    assert np.array_equal(gone, heads)


def test_a_tail_of_low_score_is_rejected():
    tails, rounds, _ = run([LINE], TailsConfig(min_score=0.8), scores={0: 0.1})
    assert tails == []
    assert rounds[0].rejected[0].reason.startswith("score 0.5")


HAIRPIN = np.full((*SHAPE, 3), 240, np.uint8)
cv2.ellipse(HAIRPIN, (105, 115), (5, 5), 0, 0, 180, (60, 150, 60), 3)
HAIRPIN[40:115, 99:102] = HAIRPIN[40:115, 109:112] = (60, 150, 60)


def test_a_line_that_bends_sharply_is_no_single_tail():
    """Two lines side by side, joined at one end by half a circle."""
    tails, rounds, _ = run([LINE], image=HAIRPIN)
    assert tails == []
    (rejected,) = rounds[0].rejected
    assert rejected.reason.startswith("bend of ")
    assert len(run([LINE], TailsConfig(min_bend_deg=20), image=HAIRPIN)[0]) == 1


def test_the_last_round_keeps_what_is_not_single():
    encode = encoder([LINE])
    one = one_round(HAIRPIN, encode(HAIRPIN), (), NOTHING, "knots", LENGTH, CONFIG, keep_rest=True)
    assert [tail.found_in for tail in one.found] == ["knots"]
    assert one.rejected == []


def test_heads_are_painted_before_the_first_round():
    """Where a head lies over the line, nothing of it is asked about, and the line is one tail still."""
    heads = np.zeros(SHAPE, bool)
    heads[:, :60] = True
    (tail,), rounds, _ = run([LINE], heads=heads)
    assert ends(tail)[0, 0] == pytest.approx(60, abs=9)
    assert (rounds[0].image[:, :60] == 240).all()
    assert not rounds[0].foreground[:, :60].any()


def test_a_blank_field_has_no_tails():
    tails, rounds, gone = run([LINE], image=np.full((*SHAPE, 3), 240, np.uint8))
    assert tails == []
    assert len(rounds) == 1
    assert rounds[0].prompts == []
    assert not gone.any()


def test_prompts_follow_the_lines():
    """A long branch is asked near both its ends, a short one as a whole."""
    _, rounds, _ = run([LINE, Drawn(None, (60, 120), (110, 120))])
    prompts = rounds[0].prompts
    assert len(prompts) == 3
    assert rounds[0].decoded == 3
    for points in prompts:
        assert all(rounds[0].foreground[round(y), round(x)] for x, y in points)


def maps(tail, direction=(0.0, 0.0)):
    tail = np.array([tail], float)
    return DenseMaps(np.zeros_like(tail), tail, np.tile(np.array(direction), (*tail.shape, 1)))


def test_what_was_seen_before_is_remembered_where_it_is_not_painted():
    """Five pixels: seen better now, better before, painted, on the rim, and seen by neither."""
    now, before = maps([0.9, 0.1, 0.8, 0.8, 0.0], (1, 0)), maps([0.2, 0.7, 0.9, 0.3, 0.0], (0, 1))
    gone = np.array([[False, False, True, False, False]])
    rim = np.array([[False, False, True, True, False]])
    out = remembered(now, before, gone, rim)
    assert out.tail == pytest.approx(np.array([[0.9, 0.7, 0, 0.3, 0]]))
    lengths = np.linalg.norm(out.direction, axis=-1)
    assert lengths == pytest.approx(np.array([[1, 1, 0, 1, 0]]), abs=1e-6)
    assert out.direction[0, 0, 0] > out.direction[0, 0, 1] > 0
    assert out.direction[0, 3] == pytest.approx([0, 1])


def test_understood_tails_are_painted_wider_than_they_are():
    (tail,), _, _ = run([LINE])
    painted = understood([tail], [], SHAPE, LENGTH)
    assert painted[tail.region.full(SHAPE)].all()
    assert painted.sum() > tail.region.area
    assert not understood([], [], SHAPE, LENGTH).any()


@pytest.mark.parametrize(("corner", "want"), [((20, 20), 90), ((40, 0), 180), ((0, 20), 45)])
def test_the_sharpest_bend_is_the_smallest_inner_angle(corner, want):
    """From (0, 0) along x to (20, 0), then to the corner."""
    first, second = np.linspace((0, 0), (20, 0), 21), np.linspace((20, 0), corner, 21)
    line = np.concatenate([first, second[1:]])
    assert sharpest_bend(line, 4) == pytest.approx(want, abs=1)


def test_a_line_too_short_to_bend_is_straight():
    assert sharpest_bend(np.array([[0.0, 0.0], [5.0, 0.0], [5.0, 5.0]]), 4) == 180


def test_what_crosses_a_known_tail_keeps_its_pixels():
    tail = Tail(paint_polyline(ACROSS, 3, SHAPE), 0.9, ACROSS, 3.0)
    gone = understood([tail], [Rejected(ALONG, "score 0.10 < 0.40")], SHAPE, LENGTH)
    x, y = ACROSS[len(ACROSS) // 2].astype(int)
    assert not gone[y, x]
    assert gone[tuple(ACROSS[5].astype(int)[::-1])]
    assert understood([tail], [Rejected(ALONG, "too short", open=False)], SHAPE, LENGTH)[y, x]


def test_the_halo_of_a_known_tail_is_no_tail():
    straight = Tail(paint_polyline(ACROSS, 3, SHAPE), 0.9, ACROSS, 3.0)
    near = beside([straight], SHAPE, LENGTH)
    line = picture([LINE], SHAPE)
    free = one_round(line, encoder([LINE])(line), (), NOTHING, "S3", LENGTH, CONFIG)
    assert len(free.found) == 1
    halo = one_round(line, encoder([LINE])(line), (), ~NOTHING, "S3", LENGTH, CONFIG)
    assert not halo.found
    assert "beside a known tail" in halo.rejected[0].reason
    assert near[tuple(ACROSS[5].astype(int)[::-1])]
