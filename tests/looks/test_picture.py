"""What a small picture shows: the first line on the left, the second on the right, however they lie."""

import numpy as np
import pytest

from cascade.geometry import ellipse_axes
from cascade.heads import pixels_of
from cascade.looks.picture import CHANNELS, SIDE, Canvas
from cascade.types import Head, Region

SHAPE, LENGTH = (200, 300), 32.0
CENTRE = np.array([150.0, 100.0])


def line(start, way, length=60):
    return start + np.arange(float(length))[:, None] * np.asarray(way, float)


def head_at(x, y):
    ys, xs = np.mgrid[:17, :33]
    region = Region(((xs - 16) / 16) ** 2 + ((ys - 8) / 8) ** 2 <= 1, x - 16, y - 8)
    centre, angle, length, width = ellipse_axes(region)
    return Head(region, 1.0, centre, angle, length, width)


def canvas(heads=(), dark=0.0):
    flat = np.full(SHAPE, dark, np.float32)
    return Canvas.of(flat, np.zeros(SHAPE, np.float32), pixels_of(heads, SHAPE), LENGTH)


def link(way, gap=10.0, at=CENTRE):
    way = np.asarray(way, float)
    first, second = line(at - way * gap / 2, -way), line(at + way * gap / 2, way)
    here = canvas()
    return here.of_link(here.with_lines([first, second]), first, second)


@pytest.mark.parametrize("way", [(1, 0), (0, 1), (-1, 0), (0.6, 0.8)])
def test_the_first_line_is_on_the_left_and_the_second_on_the_right(way):
    seen = link(way)
    assert seen.shape == (CHANNELS, SIDE, SIDE)
    half = SIDE // 2
    assert seen[4, half - 2 : half + 2, :30].any()
    assert not seen[4, :, half:].any()
    assert seen[5, half - 2 : half + 2, -30:].any()
    assert not seen[5, :, :half].any()
    assert not seen[4:6, : half - 4].any()
    assert not seen[4:6, half + 4 :].any()


def test_all_lines_are_shown_beneath():
    seen = link((1, 0))
    assert (seen[3].astype(int) + 10 >= np.maximum(seen[4], seen[5])).mean() > 0.98


def test_a_link_that_is_turned_looks_nearly_the_same():
    straight, turned = link((1, 0)).astype(int), link((0.6, 0.8)).astype(int)
    assert np.abs(straight[4:6] - turned[4:6]).mean() < 3


def test_what_is_beyond_the_border_is_out_of_view():
    seen = link((1, 0), at=np.array([10.0, 100.0]))
    assert not seen[6, :, :30].any()
    assert seen[6, :, 60:].all()


def test_darkness_has_room_above_what_is_usual():
    here = canvas(dark=128.0)
    lines = [line(CENTRE, (1, 0)), line(CENTRE, (-1, 0))]
    assert np.median(here.of_link(here.with_lines(lines), *lines)[0]) == 100


def test_a_pair_shows_its_head_filled_and_its_tail():
    head = head_at(150, 100)
    here, tail = canvas([head]), line(np.array([172.0, 100.0]), (1, 0))
    begins, leaves = np.array([166.0, 100.0]), np.array([1.0, 0.0])
    seen = here.of_pair(here.with_lines([tail]), head.region, begins, leaves, tail)
    assert seen[4].sum() / 255 == pytest.approx(head.region.area, rel=0.15)
    assert (seen[2] > 128).sum() == pytest.approx(head.region.area, rel=0.15)
    assert not seen[4, :, SIDE // 2 :].any()
    assert not seen[5, :, : SIDE // 2].any()


def test_ends_on_one_spot_have_a_picture_too():
    spot = np.repeat(CENTRE[None], 3, 0)
    here = canvas()
    assert here.of_link(here.with_lines([spot]), spot, spot).shape == (CHANNELS, SIDE, SIDE)


@pytest.mark.parametrize("shape", [(1, 1), (3, 400)])
def test_tiny_images_have_a_canvas(shape):
    empty = np.zeros(shape, np.float32)
    assert Canvas.of(empty, empty, empty > 0, 500.0).maps.ndim == 3


@pytest.mark.parametrize(("shape", "length"), [((400, 500), 1.0), ((3000, 6000), 20.0)])
def test_short_heads_do_not_make_a_huge_canvas(shape, length):
    """At 32 px a head length these would have 200 and 46 million pixels."""
    empty = np.zeros(shape, np.float32)
    here = Canvas.of(empty, empty, empty > 0, length)
    assert here.maps.shape[0] * here.maps.shape[1] <= 12.1e6
    middle = np.array([shape[1] / 2, shape[0] / 2])
    lines = [line(middle, (1, 0)), line(middle, (-1, 0))]
    assert here.of_link(here.with_lines(lines), *lines)[5].any()
