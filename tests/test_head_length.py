"""How long heads are: measured, told by few, configured, or assumed."""

import numpy as np
import pytest
from drawn_field import CROSSING, LENGTH, SHAPE, Drawn, Recording, TruthModel, fixed, pairs, picture

from cascade.config import CS3Config
from cascade.head_length import assumed_head_length, median_length
from cascade.pipeline import segment
from cascade.sam.registry import load_model
from cascade.synthesis import synthesize
from cascade.types import Head, Region

FIELD = picture(CROSSING)
BLANK = np.full((*SHAPE, 3), 240, np.uint8)


class Shortsighted(Recording):
    """Sure of heads only when it is told about how long they are."""

    def encode(self, image, head_length):
        right = 0.7 < head_length / LENGTH < 1.5
        self.scores = dict.fromkeys(range(len(self.sperm)), 0.95 if right else 0.6)
        return super().encode(image, head_length)


THREE = (*CROSSING, Drawn((500, 150)))


def test_the_head_length_is_measured_where_there_are_three_heads():
    result = segment(picture(THREE), model=TruthModel(THREE))
    assert result.head_length_source == "measured"
    assert result.head_length == pytest.approx(LENGTH, abs=2)


def test_before_heads_are_known_the_length_is_that_of_the_width():
    """36 px per 720 px of width."""
    assert assumed_head_length((540, 720), CS3Config()) == (36, "image width")
    assert assumed_head_length((720, 540), CS3Config()) == (27, "image width")


def test_or_that_of_the_configuration():
    result = segment(FIELD, model=TruthModel(CROSSING), config=fixed(33.0))
    assert (result.head_length, result.head_length_source) == (33, "configuration")


def test_measured_heads_outdo_the_configuration():
    result = segment(picture(THREE), model=TruthModel(THREE), config=fixed(26.0))
    assert result.head_length_source == "measured"


@pytest.mark.parametrize("assumed", [12.5, 24.0, 38.0, 70.0])
def test_a_wrong_guess_of_the_head_length_is_mended(assumed):
    """The heads are looked for again, at the right scale."""
    wrong, right = Recording(THREE), Recording(THREE)
    result = segment(picture(THREE), model=wrong, config=fixed(assumed))
    assert wrong.told[0] == assumed
    assert wrong.told[1:] == pytest.approx([LENGTH] * len(wrong.told[1:]), abs=2)
    want = segment(picture(THREE), model=right, config=fixed(30.0))
    assert len(wrong.told) == len(right.told) + 1
    assert pairs(result) == pytest.approx(pairs(want), abs=2)


def head_of(length, x=50):
    region = Region(np.ones((10, 20), bool), x, 20)
    return Head(region, 0.9, np.array([x + 10.0, 25.0]), np.array([1.0, 0.0]), length, 10.0)


def test_heads_cut_by_the_border_do_not_count_among_enough_others():
    inner = [head_of(length) for length in (29.0, 30.0, 31.0)]
    assert median_length([*inner, head_of(12.0, x=0), head_of(13.0, x=80)], (100, 100)) == 30
    assert median_length([inner[0], head_of(12.0, x=0), head_of(13.0, x=80)], (100, 100)) == 13


@pytest.mark.parametrize("width", [90, 150, 300])
def test_two_heads_in_a_narrow_crop_tell_the_length(width):
    """The width is no hint: a twentieth of it, as assumed, would be 4.5 to 15 px; heads have 31."""
    left = [Drawn((45, 60), (45, 85), (45, 300)), Drawn((20, 180), (20, 205), (20, 350))]
    crop = picture(left)[:, :width]
    model = Shortsighted(left)
    result = segment(crop, model=model)
    assert result.head_length_source == "few heads"
    assert result.head_length == pytest.approx(LENGTH, abs=3)
    assert model.told[0] == pytest.approx(width / 20)


def test_what_is_not_sure_tells_nothing():
    doubtful = TruthModel(CROSSING, scores={0: 0.5, 1: 0.5})
    result = segment(FIELD, model=doubtful)
    assert (result.head_length, result.head_length_source) == (30, "image width")


def test_heads_shorter_than_assumed_are_looked_for_last():
    large = np.full((1000, 3000, 3), 240, np.uint8)
    large[: SHAPE[0], : SHAPE[1]] = FIELD
    model = Shortsighted(CROSSING)
    result = segment(large, model=model)
    assert model.told[:5] == [150, 300, 600, 75, 37.5]
    assert result.head_length_source == "few heads"
    assert result.head_length == pytest.approx(LENGTH, abs=3)


def test_a_configured_length_is_not_searched_for():
    model = Shortsighted(CROSSING)
    result = segment(FIELD, model=model, config=fixed(28.0))
    assert set(model.told) == {28}
    assert result.head_length_source == "configuration"


def test_a_model_that_sees_one_scale_alone_is_not_asked_at_others():
    model = Shortsighted(CROSSING, dense=False)
    segment(BLANK, model=model)
    assert set(model.told) == {30}


@pytest.mark.slow
def test_the_model_that_ships_knows_the_scale_of_a_small_crop():
    """One sperm cut out of a smear, where the image's width says nothing."""
    smear = synthesize(7, (600, 800), 60.0)
    inner = [s for s in smear.sperm if s.head is not None and s.head.x0 > 60 and s.head.y0 > 60]
    x, y = inner[0].head.x0 - 50, inner[0].head.y0 - 50
    crop = np.ascontiguousarray(smear.image[y : y + 170, x : x + 190])
    result = segment(crop, model=load_model())
    assert result.head_length_source == "few heads"
    assert result.head_length == pytest.approx(60, rel=0.2)
