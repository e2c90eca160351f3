"""Where to ask: one point a blob, even steps along a line, a grid."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cascade.prompts import MOST_POINTS, as_prompts, blob_centres, grid, points_along


def discs(*centres, radius=8, shape=(60, 100)):
    canvas = np.zeros(shape, np.uint8)
    for centre in centres:
        cv2.circle(canvas, centre, radius, 1, -1)
    return canvas > 0


def test_each_blob_gets_the_point_in_its_middle():
    points = blob_centres(discs((20, 30), (70, 25)), apart=10)
    assert sorted(points.tolist()) == [[20, 30], [70, 25]]


def test_blobs_that_touch_get_a_point_each():
    points = blob_centres(discs((30, 30), (44, 30)), apart=8)
    assert sorted(points.tolist()) == pytest.approx(np.array([[30, 30], [44, 30]]), abs=1)


def test_a_blob_cut_by_the_border_gets_a_point():
    (point,) = blob_centres(discs((0, 30)), apart=10)
    assert point == pytest.approx([3, 30], abs=2)


def test_a_blob_with_a_hole_gets_a_point_that_is_not_in_the_hole():
    mask = discs((30, 30), radius=8) & ~discs((30, 30), radius=5)
    points = blob_centres(mask, apart=12)
    assert len(points)
    assert all(mask[int(y), int(x)] for x, y in points)


def test_a_single_pixel_is_a_blob():
    assert blob_centres(discs((5, 7), radius=0), apart=10).tolist() == [[5, 7]]


def test_no_blob_no_point():
    assert blob_centres(np.zeros((5, 6), bool), apart=3).shape == (0, 2)


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), st.floats(0.5, 12))
def test_points_lie_on_the_mask_and_apart(mask, apart):
    points = blob_centres(mask, apart)
    assert bool(len(points)) == bool(mask.any())
    assert all(mask[int(y), int(x)] for x, y in points)
    between = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert (between[~np.eye(len(points), dtype=bool)] >= apart).all()


def test_points_along_a_line_are_evenly_spaced():
    line = np.array([[0.0, 5.0], [60.0, 5.0], [60.0, 45.0]])  # 100 long, with a corner at 60
    points = points_along(line, spacing=25)
    assert points.tolist() == [[12.5, 5], [37.5, 5], [60, 7.5], [60, 32.5]]


def test_a_long_line_gets_no_more_points_than_a_prompt_holds():
    line = np.array([[0.0, 0.0], [1000.0, 0.0]])
    assert len(points_along(line, spacing=1)) == MOST_POINTS
    assert points_along(line, spacing=1, most=2).tolist() == [[250, 0], [750, 0]]


@pytest.mark.parametrize("line", [[[3.0, 4.0]], [[3.0, 4.0], [3.0, 4.0]]])
def test_a_line_without_length_gets_one_point(line):
    assert points_along(np.array(line), spacing=5).tolist() == [[3, 4]]


def test_a_short_line_gets_its_middle():
    assert points_along(np.array([[0.0, 0.0], [4.0, 0.0]]), spacing=50).tolist() == [[2, 0]]


def test_a_grid_has_its_points_in_the_middle_of_its_cells():
    """Cells of 10×5 pixels: the middle of pixels 0 to 9 is 4.5."""
    assert grid((10, 20), 2).tolist() == [[4.5, 2], [14.5, 2], [4.5, 7], [14.5, 7]]


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 9))
def test_a_grid_lies_in_the_image(height, width, side):
    points = grid((height, width), side)
    assert points.shape == (side * side, 2)
    assert (points >= -0.5).all()
    assert (points <= np.array([width, height]) - 0.5).all()


def test_short_prompts_are_padded():
    prompts = as_prompts([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])])
    assert prompts.labels.tolist() == [[1, -1], [1, 1]]
    assert prompts.points[0, 0].tolist() == [1, 2]
    assert prompts.points[1].tolist() == [[3, 4], [5, 6]]


def test_no_objects_no_prompts():
    assert len(as_prompts([])) == 0
