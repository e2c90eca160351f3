"""The background becomes `WHITE` whatever the lamp; whitening tells heads from tails by how wide they are."""

import cv2
import numpy as np
import pytest

from cascade.preprocess import WHITE, foreground, grown, normalise, paint_white

HEAD, TAIL = (120, 50, 160), (120, 190, 130)
HEAD_LENGTH = 30


def smear(tint=(240, 240, 240), shade=0.0, tail_width=3):
    """A sperm on a background of one tint, whose light falls by the share `shade` from left to right."""
    stain = np.ones((240, 320, 3))
    stain[120 - tail_width // 2 :, 115:280][:tail_width] = np.array(TAIL) / 240
    cv2.ellipse(stain, (100, 120), (15, 9), 0, 0, 360, [c / 240 for c in HEAD], -1)
    light = np.linspace(1, 1 - shade, 320)[None, :, None]
    return np.round(stain * light * np.array(tint)).astype(np.uint8)


PLAIN = smear()
BACKGROUND = (PLAIN == 240).all(-1)


@pytest.mark.parametrize("tint", [(240, 240, 240), (225, 205, 170), (120, 150, 140), (255, 255, 255)])
@pytest.mark.parametrize("shade", [0, 0.3])
def test_the_background_becomes_white(tint, shade):
    out = normalise(smear(tint, shade))
    assert out.dtype == np.uint8
    assert np.abs(out[BACKGROUND].astype(int) - WHITE).max() <= 8
    assert np.abs(out[BACKGROUND].astype(int).mean(0) - WHITE).max() <= 2


def test_a_stain_looks_the_same_under_any_lamp():
    want, out = normalise(PLAIN).astype(int), normalise(smear((225, 205, 170), 0.3)).astype(int)
    assert np.abs(out - want)[~BACKGROUND].max() <= 8


def test_an_even_picture_keeps_its_sperm():
    assert np.array_equal(normalise(PLAIN), PLAIN)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (17, 3000)])
def test_pictures_of_any_form_are_taken(shape):
    assert (normalise(np.full((*shape, 3), 100, np.uint8)) == WHITE).all()


def test_a_black_picture_stays_black():
    assert not normalise(np.zeros((20, 30, 3), np.uint8)).any()


def test_paint_changes_a_copy_and_only_under_the_mask():
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    before = image.copy()
    mask = np.zeros((4, 5), bool)
    mask[1, 2:4] = True
    out = paint_white(image, mask)
    assert (out[mask] == WHITE).all()
    assert np.array_equal(out[~mask], before[~mask])
    assert np.array_equal(image, before)


def test_a_grown_pixel_is_a_disc():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    y, x = np.nonzero(grown(mask, 3))
    assert np.hypot(y - 4, x - 4).max() < 3.5
    assert len(y) == pytest.approx(np.pi * 3**2, rel=0.25)
    assert (x.min(), x.max(), y.min(), y.max()) == (1, 7, 1, 7)


@pytest.mark.parametrize("tail_width", [2, 3, 6])
def test_whitening_finds_the_head_and_the_tail(tail_width):
    """Flagella are a tenth to a fifth of a head length wide."""
    image = smear(tail_width=tail_width)
    maps = foreground(normalise(image), HEAD_LENGTH)
    head, tail = maps.head > 0.5, maps.tail > 0.5
    truth_head, truth_tail = (image == HEAD).all(-1), (image == TAIL).all(-1)
    assert (head & truth_head).sum() / (head | truth_head).sum() > 0.8
    assert (tail & truth_tail).sum() > 0.9 * truth_tail.sum()
    assert not (head & grown(truth_tail, 1) & ~grown(truth_head, 4)).any()
    assert not maps.direction.any()


def test_head_and_tail_never_claim_the_same_pixel():
    maps = foreground(normalise(PLAIN), HEAD_LENGTH)
    assert not ((maps.head > 0.5) & (maps.tail > 0.5)).any()


@pytest.mark.parametrize("noise", [0, 2])
def test_a_blank_field_has_no_foreground(noise):
    grain = np.random.default_rng(0).normal(0, noise, (240, 320, 3))
    maps = foreground(normalise(np.clip(230 + grain, 0, 255).round().astype(np.uint8)), HEAD_LENGTH)
    assert maps.head.shape == maps.tail.shape == (240, 320)
    assert maps.direction.shape == (240, 320, 2)
    assert not (maps.head > 0.5).any()
    assert not (maps.tail > 0.5).any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 200)])
def test_whitening_takes_pictures_smaller_than_a_head(shape):
    maps = foreground(np.full((*shape, 3), WHITE, np.uint8), HEAD_LENGTH)
    assert not (maps.head > 0.5).any()
    assert maps.tail.shape == shape
