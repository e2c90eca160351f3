"""What is left is cut out, enlarged, thickened, understood and put back where it was."""

import cv2
import numpy as np
import pytest
from drawn_field import BACKGROUND, LENGTH, Drawn, TruthModel, picture

from cascade.config import KnotsConfig, TailsConfig
from cascade.knots import enlarge_and_bold, leftovers, untie

SHAPE = (160, 300)
MARGIN = 24
"""0.8 of a head length of 30 px."""
TAILS = TailsConfig()


def mask_with(*boxes):
    mask = np.zeros(SHAPE, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


def test_a_leftover_is_boxed_with_a_margin():
    assert leftovers(mask_with((100, 60, 140, 63)), LENGTH) == [
        (100 - MARGIN, 60 - MARGIN, 140 + MARGIN, 63 + MARGIN)
    ]


def test_leftovers_far_apart_get_a_box_each():
    boxes = leftovers(mask_with((30, 60, 60, 63), (200, 60, 240, 63)), LENGTH)
    assert sorted(boxes) == [(6, 36, 84, 87), (176, 36, 264, 87)]


def test_leftovers_whose_boxes_touch_share_one():
    assert leftovers(mask_with((30, 60, 60, 63), (100, 60, 140, 63)), LENGTH) == [(6, 36, 164, 87)]


def test_a_box_ends_at_the_border():
    assert leftovers(mask_with((0, 150, 40, 160)), LENGTH) == [(0, 126, 64, 160)]


def test_specks_are_not_left_over():
    assert leftovers(mask_with((100, 60, 103, 63)), LENGTH) == []
    assert leftovers(np.zeros(SHAPE, bool), LENGTH) == []


def thickness(image):
    """Rows of the middle column that are darker than half."""
    return int((image[:, image.shape[1] // 2, 0] < 150).sum())


@pytest.mark.parametrize(
    ("enlarge", "bold", "want"), [(1, 0, 3), (3, 0, 9), (1, 2, 7), (3, 1, 15), (2, 0.1, 6)]
)
def test_lines_grow_with_the_picture_and_by_bold_on_each_side(enlarge, bold, want):
    crop = np.full((41, 60, 3), 240, np.uint8)
    crop[19:22] = 60
    out = enlarge_and_bold(crop, enlarge, bold)
    assert out.shape == (41 * enlarge, 60 * enlarge, 3)
    assert out.dtype == np.uint8
    assert thickness(out) == pytest.approx(want, abs=1)


def run(sperm, config, gone=None):
    """The knots stage on a field with nothing but tails, none of them understood yet."""
    image, model = picture(sperm, SHAPE), TruthModel(sperm)
    gone = np.zeros(SHAPE, bool) if gone is None else gone

    def encode(pixels):
        encoding = model.encode(pixels, LENGTH)
        return encoding, encoding.dense

    nothing = np.zeros(SHAPE, bool)
    return untie(image, gone, nothing, encode(image)[1], encode, encode, LENGTH, config, TAILS, nothing, ())


LINE = Drawn(None, (60, 70), (220, 100))


def off(points, line):
    """Distances of points from the straight line between two others."""
    a, b = np.array(line.start), np.array(line.end)
    along = (b - a) / np.linalg.norm(b - a)
    return np.abs((points - a) @ np.array([-along[1], along[0]]))


@pytest.mark.parametrize("enlarge", [1, 1.3, 2, 3])
@pytest.mark.parametrize(
    ("line", "within"),
    [(LINE, 0.5), (Drawn(None, (60, 85), (220, 85)), 0.3), (Drawn(None, (140, 30), (140, 140)), 0.3)],
)
def test_a_tail_comes_back_to_where_it_lies(line, within, enlarge):
    """To a fraction of a pixel across, but for the rounded tips of the skeleton."""
    tails, knots = run([line], KnotsConfig(enlarge=enlarge, bold_hl=0))
    (tail,) = tails
    assert tail.found_in == "knots"
    assert off(tail.centreline[8:-8], line).max() <= within
    first, last = sorted(tail.centreline[[0, -1]].tolist(), key=sum)
    assert first == pytest.approx(line.start, abs=4)
    assert last == pytest.approx(line.end, abs=4)
    assert tail.region.full(SHAPE)[85, 140]
    (knot,) = knots
    x0, y0, x1, y1 = knot.box
    assert knot.picture.shape[:2] == (round((y1 - y0) * enlarge), round((x1 - x0) * enlarge))


def test_a_width_is_that_of_the_image():
    (small,), _ = run([LINE], KnotsConfig(enlarge=1, bold_hl=0))
    (large,), _ = run([LINE], KnotsConfig(enlarge=3, bold_hl=0))
    assert large.width == pytest.approx(small.width)
    assert large.region.area == pytest.approx(small.region.area, rel=0.1)


def test_a_crossing_is_taken_apart():
    tails, _ = run([Drawn(None, (60, 40), (240, 120)), Drawn(None, (60, 120), (240, 40))], KnotsConfig())
    assert len(tails) == 2
    for tail in tails:
        first, last = tail.centreline[[0, -1]]
        assert abs(first[0] - last[0]) > 160
        assert abs(first[1] - last[1]) > 60


def test_no_round_follows_so_what_is_not_single_is_kept():
    """A stem ends on a bar: its end is none, and it is a tail for all that."""
    tails, knots = run([Drawn(None, (150, 130), (150, 52)), Drawn(None, (50, 50), (250, 50))], KnotsConfig())
    assert len(tails) == 2
    assert knots[0].round.rejected == []


def test_what_is_understood_is_not_untied():
    gone = cv2.line(np.zeros(SHAPE, np.uint8), LINE.start, LINE.end, 1, 9) > 0
    assert run([LINE], KnotsConfig(), gone) == ([], [])


def test_a_blank_field_has_no_knots():
    image = np.full((*SHAPE, 3), BACKGROUND, np.uint8)
    assert leftovers((image != BACKGROUND).any(-1), LENGTH) == []
    assert run([Drawn(None)], KnotsConfig()) == ([], [])


def test_knots_may_be_left_tied():
    assert run([LINE], KnotsConfig(enabled=False)) == ([], [])
