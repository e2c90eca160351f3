"""Geometry on shapes whose answers one can work out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from cascade.geometry import (
    angle_between,
    direction_degrees,
    ellipse_axes,
    outline_length,
    paint_polyline,
    polyline_length,
    smooth_polyline,
    tangent_at,
    unit_vectors,
)
from cascade.types import Region

quick = settings(deadline=None, max_examples=60)
coordinate = st.floats(-20, 60, allow_nan=False, width=32)
polylines = st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=8)
bool_masks = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=4, max_size=9)


def ellipse(length: float, width: float, degrees: float, size: int = 121) -> Region:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    turn = math.radians(degrees)
    along, across = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    return Region.from_full((2 * along / length) ** 2 + (2 * across / width) ** 2 <= 1)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 133])
def test_axes_of_an_ellipse(degrees: float) -> None:
    centre, axis, length, width = ellipse_axes(ellipse(60, 30, degrees))
    assert centre == pytest.approx([60, 60], abs=1e-9)
    assert (length, width) == pytest.approx((60, 30), rel=0.01)
    assert (direction_degrees(axis) - degrees + 90) % 180 == pytest.approx(90, abs=0.5)


def test_axes_of_degenerate_regions_can_be_divided_by() -> None:
    centre, axis, length, width = ellipse_axes(Region(np.ones((1, 1), bool), 7, 3))
    assert centre.tolist() == [7, 3]
    assert axis.tolist() == [1, 0]
    assert (length, width) == (1, 1)
    _, axis, length, width = ellipse_axes(Region(np.ones((8, 1), bool), 0, 0))
    assert axis == pytest.approx([0, 1], abs=1e-12)
    assert length == pytest.approx(4 * math.sqrt(63 / 12))
    assert width == 1
    assert ellipse_axes(Region(np.zeros((0, 0), bool), 5, 6))[2:] == (0, 0)


@quick
@given(bool_masks, st.integers(-50, 50), st.integers(-50, 50))
def test_axes_agree_with_scikit_image(rows: list[list[bool]], x0: int, y0: int) -> None:
    mask = np.array(rows)
    if not mask.any():
        return
    centre, axis, length, width = ellipse_axes(Region(mask, x0, y0))
    (known,) = regionprops(mask.astype(int))
    assert centre == pytest.approx([known.centroid[1] + x0, known.centroid[0] + y0])
    assert length == pytest.approx(max(1, known.axis_major_length), abs=1e-6)
    assert width == pytest.approx(max(1, known.axis_minor_length), abs=1e-6)
    assert np.hypot(*axis) == pytest.approx(1)


@pytest.mark.parametrize("degrees", [0, 17, 45, 90, 133])
@pytest.mark.parametrize(
    ("length", "width", "perimeter"), [(40, 40, 125.66), (60, 30, 145.33), (24, 16, 63.46)]
)
def test_outline_of_ellipses(length: float, width: float, perimeter: float, degrees: float) -> None:
    assert outline_length(ellipse(length, width, degrees)) == pytest.approx(perimeter, rel=0.012)


def test_outline_counts_holes_and_degenerates_gracefully() -> None:
    full = ellipse(60, 60, 0)
    ring = full.full((121, 121)) & ~ellipse(30, 30, 0).full((121, 121))
    assert outline_length(Region.from_full(ring)) == pytest.approx(np.pi * 90, rel=0.01)
    assert outline_length(Region(np.zeros((0, 0), bool), 0, 0)) == 0
    assert 2 < outline_length(Region(np.ones((1, 1), bool), 0, 0)) < 5


def test_smoothing_takes_the_steps_out_of_a_pixel_chain() -> None:
    chain = [(x, x // 2) for x in range(101)]
    true_length = math.hypot(100, 50)
    assert polyline_length(chain) > 1.05 * true_length
    assert polyline_length(smooth_polyline(chain, 1, 4)) == pytest.approx(true_length, rel=0.003)


def test_smoothing_keeps_a_wide_arc() -> None:
    turn = np.linspace(0, np.pi, 300)
    arc = 80 * np.stack([np.cos(turn), np.sin(turn)], 1)
    smooth = smooth_polyline(arc, 2, 3)
    assert np.abs(np.hypot(*smooth.T) - 80).max() < 0.15
    assert polyline_length(smooth) == pytest.approx(80 * np.pi, rel=0.003)


def test_smoothing_of_little_or_nothing() -> None:
    assert smooth_polyline(np.zeros((0, 2)), 1, 2).shape == (0, 2)
    assert smooth_polyline([(3, 4), (3, 4)], 1, 2).tolist() == [[3, 4]]
    assert smooth_polyline([(0, 0), (0, 3)], 10, 5).tolist() == [[0, 0], [0, 3]]


@pytest.mark.parametrize(("step", "sigma"), [(0, 1), (-1, 1), (1, -1), (math.nan, 1), (1, math.inf)])
def test_smoothing_refuses_impossible_lengths(step: float, sigma: float) -> None:
    with pytest.raises(ValueError, match="step > 0 and sigma >= 0"):
        smooth_polyline([(0, 0), (5, 5)], step, sigma)


@pytest.mark.parametrize("points", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [[0.0, math.nan]]])
def test_polylines_are_checked(points: list[object]) -> None:
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        polyline_length(points)  # type: ignore[arg-type]


@quick
@given(polylines, st.floats(0.5, 5), st.floats(0, 8))
def test_smoothing_keeps_ends_and_spaces_evenly(
    points: list[tuple[float, float]], step: float, sigma: float
) -> None:
    smooth = smooth_polyline(points, step, sigma)
    assert smooth[0] == pytest.approx(points[0], abs=1e-6)
    if polyline_length(points) > 0:
        assert smooth[-1] == pytest.approx(points[-1], abs=1e-6)
    assert polyline_length(smooth) <= polyline_length(points) + 1e-6
    if len(smooth) > 2:
        assert np.hypot(*np.diff(smooth, axis=0).T).max() <= 1.5 * step + 1e-6


def by_definition(points: np.ndarray, half: float, shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    nearest = np.hypot(x - points[0, 0], y - points[0, 1])
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        square = (bx - ax) ** 2 + (by - ay) ** 2
        t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / (square or 1), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    return nearest - half


@quick
@given(polylines, st.floats(0, 30))
def test_painting_follows_its_definition(points: list[tuple[float, float]], width: float) -> None:
    painted = paint_polyline(points, width, (40, 50)).full((40, 50))
    beyond = by_definition(np.array(points), width / 2, (40, 50))
    assert painted[beyond < -1e-6].all()
    assert not painted[beyond > 1e-3].any()


def test_painting_a_straight_line() -> None:
    region = paint_polyline([(2, 5), (7, 5)], 3, (12, 12))
    assert region.box == (1, 4, 9, 7)
    expected = np.ones((3, 8), bool)
    expected[::2, [0, -1]] = True
    expected[0, [0, -1]] = expected[2, [0, -1]] = math.hypot(1, 1) <= 1.5
    assert (region.mask == expected).all()


def test_painting_widens_along_the_line() -> None:
    mask = paint_polyline([(10, 20), (90, 20)], [4, 20], (41, 100)).full((41, 100))
    assert mask[:, 10].sum() == 5  # 4 px wide: two pixels either side of the row
    assert mask[:, 50].sum() == 13
    assert mask[:, 90].sum() == 21


def test_painting_where_there_is_nothing_to_paint() -> None:
    assert paint_polyline(np.zeros((0, 2)), 3, (9, 9)).area == 0
    assert paint_polyline([(100, 100), (120, 100)], 3, (9, 9)).area == 0
    assert paint_polyline([(4, 4)], 2, (9, 9)).area == 5
    with pytest.raises(ValueError, match="width"):
        paint_polyline([(0, 0), (1, 1)], [1, 2, 3], (9, 9))
    with pytest.raises(ValueError, match="width"):
        paint_polyline([(0, 0), (1, 1)], -1, (9, 9))


def test_tangents_of_a_bent_line() -> None:
    bent = [(0, 0), (10, 0), (10, -10)]
    assert tangent_at(bent, 0, 10).tolist() == [1, 0]
    assert tangent_at(bent, 12, 99).tolist() == [0, -1]
    assert tangent_at(bent, 20, 10).tolist() == [0, 1]
    assert tangent_at(bent, 0, 20) == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])
    assert tangent_at(bent, 30, 40).tolist() == [0, 0]
    assert tangent_at([(3, 3)], 0, 1).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("vector", "degrees"), [((1, 0), 0), ((1, -1), 45), ((0, -2), 90), ((-1, 0), 180), ((0, 1), -90)]
)
def test_directions_turn_counter_clockwise_in_image_view(vector: tuple[float, float], degrees: float) -> None:
    assert direction_degrees(vector) == pytest.approx(degrees)


@quick
@given(st.floats(0, 360), st.floats(-180, 180), st.floats(0.1, 50))
def test_angle_between_is_the_turn(start: float, turn: float, size: float) -> None:
    a, b = math.radians(start), math.radians(start + turn)
    u, v = (math.cos(a), math.sin(a)), (size * math.cos(b), size * math.sin(b))
    assert angle_between(u, v) == pytest.approx(abs(turn), abs=1e-5)
    assert angle_between(v, u) == angle_between(u, v)


def test_angle_with_no_direction_is_accepted_by_no_limit() -> None:
    assert not angle_between((0, 0), (1, 0)) <= 180


def test_unit_vectors_keep_their_direction_and_nothing_stays_nothing():
    x, y = np.array([[3.0, 0.0, 0.0]]), np.array([[-4.0, 0.5, 0.0]])
    assert unit_vectors(x, y) == pytest.approx(np.array([[[0.6, -0.8], [0, 1], [0, 0]]]))
