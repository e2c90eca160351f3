import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cascade.exports import overlay
from cascade.exports.colours import sperm_colours
from cascade.types import Head, Note, Region, Remark, Result, Sperm

GREY = np.full((30, 40, 3), 200, np.uint8)


def test_complete_sperm_take_their_colours(crossing):
    drawn = overlay.draw(GREY, crossing).astype(int)
    blue, orange = drawn[16, 35], drawn[25, 21]  # on the tails of 1 and 2
    assert blue[2] > blue[0] + 20
    assert orange[0] > orange[2] + 20


def test_part_alone_is_not_filled(crossing):
    drawn = overlay.draw(GREY, Result(crossing.shape, crossing.sperm[3:], 8.0, "measured"))
    assert np.ptp(drawn[24:26, 28:37], axis=-1).max() == 0  # no colour, only grey dashes


def test_empty_result_leaves_the_picture(blank):
    assert np.array_equal(overlay.draw(GREY, blank), GREY)


def test_picture_itself_is_not_drawn_on(crossing):
    image = GREY.copy()
    overlay.draw(image, crossing)
    assert np.array_equal(image, GREY)


def test_sperm_over_the_edge_is_drawn():
    regions = [Region(np.ones((10, 10), bool), x, y) for x, y in ((-5, -5), (35, 25), (60, 60))]
    heads = [
        Head(r, 1.0, np.array([r.x0 + 4.5, r.y0 + 4.5]), np.array([1.0, 0.0]), 10.0, 10.0) for r in regions
    ]
    result = Result((30, 40), tuple(Sperm(i, h, None, 1.0) for i, h in enumerate(heads, 1)), 10.0, "measured")
    assert (overlay.draw(GREY, result)[:5, :5] != 200).any()


def test_picture_of_another_size_is_refused(crossing):
    with pytest.raises(ValueError, match=r"expected an image of \(30, 40\)"):
        overlay.draw(GREY[:20], crossing)


def test_png(crossing):
    picture = Image.open(io.BytesIO(overlay.png(GREY, crossing)))
    assert np.array_equal(np.asarray(picture), overlay.draw(GREY, crossing))


def test_colours_of_sperm_that_meet_differ(crossing):
    colours = sperm_colours(crossing.sperm)
    moved = [Sperm(s.sperm_id * 6 - 5, s.head, s.tail, s.score) for s in crossing.sperm[:2]]  # ids 1 and 7
    crossed = sperm_colours(moved)
    assert len({*colours.values()}) == 4
    assert crossed[1] != crossed[7]


def test_a_remark_stands_beside_its_sperm_and_a_note_in_the_lower_left_corner():
    grey = np.full((200, 400, 3), 200, np.uint8)
    head = Head(
        Region(np.ones((20, 30), bool), 180, 40),
        1.0,
        np.array([195.0, 50.0]),
        np.array([1.0, 0.0]),
        30.0,
        20.0,
    )
    plain = Result((200, 400), (Sperm(1, head, None, 1.0),), 30.0, "measured")
    noted = replace(plain, notes=(Note("faint", "faint: stain longer"),))
    changed = (overlay.draw(grey, noted) != overlay.draw(grey, plain)).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 170
    assert columns.max() < 100
    remarked = replace(plain, sperm=(replace(plain.sperm[0], remarks=(Remark("second tail", 2),)),))
    changed = (overlay.draw(grey, remarked) != overlay.draw(grey, plain)).any(-1)
    assert changed[:110, 100:].any()
    assert not changed[110:].any()
