"""Measurements of drawn shapes whose sizes are known."""

import math

import numpy as np
import pytest

from cascade.geometry import ellipse_axes, paint_polyline
from cascade.morphometrics import Row, measure, touches_border
from cascade.types import FloatArray, Head, Region, Result, Sperm, Tail

SHAPE = (400, 500)
TURNS = [0, 20, 45, 90, 110, 153]


def ellipse(
    length: float, width: float, degrees: float = 0, centre: tuple[float, float] = (200, 200)
) -> Region:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    x, y, turn = x - centre[0], y - centre[1], math.radians(degrees)
    along, across = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    return Region.from_full((2 * along / length) ** 2 + (2 * across / width) ** 2 <= 1)


def head_of(region: Region) -> Head:
    return Head(region, 0.9, *ellipse_axes(region))


def tail_of(line: FloatArray, width: float = 9) -> Tail:
    return Tail(paint_polyline(line, width, SHAPE), 0.8, line, width, "S3")


def row_of(head: Head | None, tail: Tail | None, pixel_size: float | None = None) -> Row:
    (row,) = measure(Result(SHAPE, (Sperm(7, head, tail, 0.85),), 45, "measured", pixel_size))
    return row


def straight(length: float, degrees: float, start: tuple[float, float] = (200, 200)) -> FloatArray:
    turn = math.radians(degrees)
    return np.array([start, (start[0] + length * math.cos(turn), start[1] - length * math.sin(turn))])


def pixel_chain(line: FloatArray) -> FloatArray:
    """The line as a skeleton has it: neighbouring pixels, straight and diagonal steps."""
    dense = np.linspace(line[0], line[-1], 2000).round()
    return dense[np.r_[True, np.any(np.diff(dense, axis=0) != 0, axis=1)]]


def test_disc() -> None:
    row = row_of(head_of(ellipse(40, 40)), None)
    assert row["head_area_px2"] == pytest.approx(math.pi * 400, rel=0.005)
    assert row["head_perimeter_px"] == pytest.approx(math.pi * 40, rel=0.01)
    assert row["head_length_px"] == pytest.approx(40, rel=0.005)
    assert row["head_ellipticity"] == pytest.approx(1, abs=0.005)
    assert row["head_elongation"] == pytest.approx(0, abs=0.005)
    assert row["head_rugosity"] == pytest.approx(1, abs=0.02)
    assert row["head_regularity"] == pytest.approx(1, abs=0.005)
    assert (row["head_x_px"], row["head_y_px"]) == pytest.approx((200, 200))


@pytest.mark.parametrize("degrees", TURNS)
def test_ellipse_at_any_turn(degrees: float) -> None:
    row = row_of(head_of(ellipse(60, 30, degrees)), None)
    assert row["head_length_px"] == pytest.approx(60, rel=0.01)
    assert row["head_width_px"] == pytest.approx(30, rel=0.01)
    assert row["head_ellipticity"] == pytest.approx(2, rel=0.01)
    assert row["head_elongation"] == pytest.approx(1 / 3, rel=0.02)
    assert row["head_perimeter_px"] == pytest.approx(145.3, rel=0.01)  # complete elliptic integral
    assert row["head_regularity"] == pytest.approx(1, abs=0.01)
    assert isinstance(row["head_angle_deg"], float)
    assert 0 <= row["head_angle_deg"] < 180
    assert (row["head_angle_deg"] - degrees + 90) % 180 == pytest.approx(90, abs=0.5)


def test_rough_and_square_outlines_are_told_from_smooth_ones() -> None:
    square = row_of(head_of(Region(np.ones((40, 40), bool), 10, 10)), None)
    assert square["head_regularity"] == pytest.approx(math.pi / 3, rel=0.005)
    assert square["head_rugosity"] == pytest.approx(math.pi / 4, rel=0.07)
    comb = np.ones((40, 40), bool)
    comb[:10, ::4] = comb[:10, 1::4] = False
    rough = row_of(head_of(Region(comb, 10, 10)), None)["head_rugosity"]
    assert isinstance(rough, float)
    assert rough < 0.4


@pytest.mark.parametrize("degrees", TURNS)
def test_straight_tail_from_a_pixel_chain(degrees: float) -> None:
    painted = tail_of(straight(150, degrees))
    chain = pixel_chain(painted.centreline)
    row = row_of(None, Tail(painted.region, 0.8, chain, 9, "S3"))
    assert row["tail_length_px"] == pytest.approx(150, rel=0.01)
    assert row["tail_tortuosity"] == pytest.approx(1, abs=0.005)
    assert row["tail_width_px"] == 9
    assert row["tail_area_px2"] == pytest.approx(150 * 9 + math.pi * 4.5**2, rel=0.03)


def test_half_circle_tail() -> None:
    turn = np.linspace(0, math.pi, 200)
    row = row_of(None, tail_of(200 + 80 * np.stack([np.cos(turn), np.sin(turn)], 1)))
    assert row["tail_length_px"] == pytest.approx(80 * math.pi, rel=0.005)
    assert row["tail_tortuosity"] == pytest.approx(math.pi / 2, rel=0.005)


@pytest.mark.parametrize("bend", [0, 25, 60, 90, 130])
@pytest.mark.parametrize("degrees", [0, 70, 200])
def test_angle_between_head_and_tail(bend: float, degrees: float) -> None:
    turn = math.radians(degrees)
    start = (200 + 22 * math.cos(turn), 200 - 22 * math.sin(turn))
    row = row_of(head_of(ellipse(44, 28, degrees)), tail_of(straight(120, degrees + bend, start)))
    assert row["head_tail_angle_deg"] == pytest.approx(bend, abs=0.5)


def test_twice_as_large_is_twice_as_long() -> None:
    turn = np.linspace(0, 2, 100)
    line = 60 * np.stack([np.cos(turn), np.sin(turn)], 1)
    small = row_of(head_of(ellipse(40, 25, 30)), tail_of(200 + line, 8))
    large = row_of(head_of(ellipse(80, 50, 30)), tail_of(200 + 2 * line, 16))
    for name, value in small.items():
        power = (
            1
            if name.endswith("th_px") or name == "head_perimeter_px"
            else 2
            if name.endswith("_px2")
            else None
        )
        if power is not None:
            assert isinstance(value, int | float)
            assert large[name] == pytest.approx(2**power * value, rel=0.02), name
    for name in ("head_ellipticity", "head_elongation", "head_rugosity", "tail_tortuosity"):
        assert large[name] == pytest.approx(small[name], rel=0.02), name


def test_micrometres_follow_the_pixel_size() -> None:
    head, tail = head_of(ellipse(40, 25)), tail_of(straight(100, 0))
    row = row_of(head, tail, pixel_size=0.1)
    for name in ("head_length", "head_width", "head_perimeter", "tail_length", "tail_width"):
        assert row[f"{name}_um"] == pytest.approx(0.1 * float(row[f"{name}_px"] or 0))
    for name in ("head_area", "tail_area"):
        assert row[f"{name}_um2"] == pytest.approx(0.01 * float(row[f"{name}_px2"] or 0))
    assert row_of(head, tail)["tail_length_um"] is None


def test_what_is_missing_is_none_and_the_columns_stay() -> None:
    head, tail = head_of(ellipse(40, 25)), tail_of(straight(100, 0))
    both, alone, lost = row_of(head, tail, 0.1), row_of(head, None, 0.1), row_of(None, tail, 0.1)
    assert list(both) == list(alone) == list(lost)
    assert both["complete"] is True
    assert (both["head_score"], both["tail_score"], both["found_in"]) == (0.9, 0.8, "S3")
    assert all(value is None for name, value in alone.items() if name.startswith("tail_"))
    assert all(value is None for name, value in lost.items() if name.startswith("head_"))
    assert [name for name, value in both.items() if value is None] == ["remarks", "image_notes"]


def test_values_without_a_definition_are_none() -> None:
    ring = np.array([[100, 100], [140, 100], [140, 140], [100, 140], [100, 100]], float)
    assert row_of(None, tail_of(ring))["tail_tortuosity"] is None
    dot = Tail(ellipse(4, 4), math.nan, np.array([[200.0, 200.0]]), math.nan)
    row = row_of(None, dot)
    assert (row["tail_score"], row["tail_length_px"], row["tail_width_px"]) == (None, None, None)
    empty = Head(Region(np.zeros((0, 0), bool), 3, 3), 0.5, np.zeros(2), np.array([1.0, 0.0]), 0, 0)
    assert row_of(empty, None)["head_area_px2"] is None


def test_a_single_pixel_can_be_measured() -> None:
    row = row_of(head_of(Region(np.ones((1, 1), bool), 5, 5)), None)
    assert row["head_ellipticity"] == 1
    assert all(value is None or math.isfinite(value) for value in row.values() if not isinstance(value, str))


def test_nothing_found_gives_no_rows() -> None:
    assert measure(Result(SHAPE, (), 45, "configuration")) == []


@pytest.mark.parametrize(
    ("box", "touches"), [((0, 5), True), ((5, 0), True), ((7, 5), True), ((5, 7), True), ((1, 1), False)]
)
def test_touching_the_border(box: tuple[int, int], touches: bool) -> None:
    assert touches_border(Region(np.ones((3, 3), bool), *box), (10, 10)) is touches
