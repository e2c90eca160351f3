import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.explain.canvas import KEPT, Canvas, faded, plain, spread
from cascade.explain.maps import compass
from cascade.explain.sheet import Entry, Legend, Panel, Stage, contact_sheet, page
from cascade.types import Region

GREY = np.full((60, 90, 3), 200, np.uint8)
RED = (200, 0, 0)


def red(picture):
    """`(H, W)`: where a picture is clearly red."""
    return (picture[..., 0].astype(int) - picture[..., 1]) > 80


@pytest.mark.parametrize("width", [45, 90, 300])
def test_canvas_keeps_the_shape_of_the_image(width):
    picture = Canvas(GREY, width).finish()
    assert picture.shape == (round(60 * width / 90), width, 3)
    assert (picture == 200).all()


def test_line_lies_where_its_points_are():
    canvas = Canvas(GREY, 180)
    canvas.line(np.array([[10.0, 30.0], [80.0, 30.0]]), RED, halo=False)
    ys, xs = np.nonzero(red(canvas.finish()))
    assert ys.mean() == pytest.approx(60, abs=1)
    assert (xs.min(), xs.max()) == pytest.approx((20, 160), abs=2)


def test_dashes_leave_gaps():
    drawn = []
    for dashed in (False, True):
        canvas = Canvas(GREY, 900)
        canvas.line(np.array([[5.0, 30.0], [85.0, 30.0]]), RED, 1.0, dashed, halo=False)
        drawn.append(np.count_nonzero(red(canvas.finish())))
    assert 0.4 * drawn[0] < drawn[1] < 0.75 * drawn[0]


def test_outline_runs_around_a_region():
    canvas = Canvas(GREY, 90)
    canvas.outline(Region(np.ones((20, 30), bool), 30, 20), RED, 1.0)
    ys, xs = np.nonzero(red(canvas.finish()))
    assert (xs.min(), ys.min()) == pytest.approx((30, 20), abs=2)
    assert (xs.max(), ys.max()) == pytest.approx((59, 39), abs=2)
    assert not red(canvas.finish())[28:32, 40:50].any()


def test_label_stands_beside_what_is_drawn():
    canvas = Canvas(GREY, 450)
    canvas.line(np.array([[0.0, 30.0], [90.0, 30.0]]), RED, halo=False)
    before = red(canvas.finish())
    canvas.label("T1", np.array([[45.0, 30.0]]), (0, 0, 0))
    after = canvas.finish()
    assert (after.max(-1) < 100).any()
    assert np.count_nonzero(before & ~red(after)) < 0.02 * before.sum()


def test_label_without_room_is_left_out_on_request():
    for all_labels in (True, False):
        canvas = Canvas(GREY, 90, all_labels)
        for y in np.arange(0, 60, 2.0):
            canvas.line(np.array([[0.0, y], [90.0, y]]), RED, halo=False)
        canvas.label("T1", np.array([[45.0, 30.0]]), (0, 0, 0))
        assert (canvas.finish().max(-1) < 100).any() == all_labels


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=1, max_size=6))
def test_anything_may_lie_outside(points):
    line = np.array(points)
    canvas = Canvas(GREY, 120)
    canvas.line(line, RED, dashed=True)
    canvas.line(line, RED)
    canvas.dots(line, RED)
    canvas.label("T1", spread(line), RED)
    assert canvas.finish().shape == (80, 120, 3)


def test_faded_is_paler_and_grey():
    dark = np.full((2, 2, 3), (100, 50, 20), np.uint8)
    pale = faded(dark)
    assert (pale > 100).all()
    assert (pale[..., 0] == pale[..., 2]).all()


def test_plain_text_has_letters_of_the_font():
    assert plain("2 × 3 µm ≥ λ") == "2 x 3 um >= lambda "


def test_compass():
    right, left, up, down = compass(np.array([(1, 0), (-1, 0), (0, -1), (0, 1)], float))
    assert right == pytest.approx(KEPT[0])
    assert left[0] > left[2] + 100  # orange against blue
    assert up.min() > down.max() + 80  # light against dark


def stage(entries, summary="counted"):
    panel = Panel("what is shown", lambda width, _: np.zeros((width // 2, width, 3), np.uint8))
    return Stage("name", "Title", summary, (panel,), (Legend("heading", tuple(entries)),))


def test_page_grows_with_its_legend():
    few, many = (page(stage([Entry(f"x{n}", "why") for n in range(count)])) for count in (3, 90))
    assert few.shape[0] == many.shape[0]
    assert few.shape[1] < many.shape[1]
    assert page(stage([Entry("x", "why")] * 900)).shape[1] < 2 * many.shape[1]


def test_contact_sheet_sets_stages_in_rows():
    one, four = (contact_sheet([stage([])] * count, "All") for count in (1, 4))
    assert one.shape[1] == four.shape[1]
    assert one.shape[0] < four.shape[0]
