"""Measurements of outlines whose sizes are known."""

from pathlib import Path

import numpy as np
import pytest
from drawn_sperm import block, dataset, drawn, sperm
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.benchmark.measurements import (
    MEASURES,
    expert_measurements,
    measure_outlines,
    method_measurements,
    read_table,
)
from cascade.benchmark.measuring import band_width, in_order, measure_outline, near_largest
from cascade.errors import AnnotationError
from cascade.geometry import paint_polyline, polyline_length
from cascade.types import Region

SHAPE = (240, 320)
IMAGES = ["1.png"]


def wave(width: float, angle: float, length: float = 160.0) -> tuple[Region, float]:
    """A painted wavy line, and its length."""
    along = np.linspace(0, length, 60)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    line = np.stack([along, 6 * np.sin(along / 20)], 1) @ turn + [40, 40]
    return paint_polyline(line, width, SHAPE), polyline_length(line)


@settings(max_examples=25, deadline=None)
@given(st.floats(4, 12), st.floats(0, 1.2))
def test_length_and_width_of_a_painted_tail_come_back(width: float, angle: float) -> None:
    region, length = wave(width, angle)
    found = measure_outline(AnnotatedSperm(1.0, {"tail": region}), SHAPE)
    assert found["tail_length_px"] == pytest.approx(length, rel=0.05)
    assert found["tail_width_px"] == pytest.approx(width, rel=0.05)
    assert found["tail_area_px2"] == region.area
    assert "head_length_px" not in found


def test_a_tail_in_two_pieces_is_as_long_as_one() -> None:
    whole = drawn(head=(0, 20, 10, 30), tail=(10, 22, 130, 28))
    cut = AnnotatedSperm(1.0, {**whole.parts, "tail": block(10, 22, 60, 28).union(block(75, 22, 130, 28))})
    one, two = measure_outline(whole, SHAPE), measure_outline(cut, SHAPE)
    assert two["tail_length_px"] == pytest.approx(one["tail_length_px"], abs=6)
    assert two["tail_width_px"] == pytest.approx(one["tail_width_px"], rel=0.05)
    assert two["tail_area_px2"] == one["tail_area_px2"] - 15 * 6


def test_pieces_are_put_in_order_from_the_head() -> None:
    far, near = np.array([[50.0, 0], [40.0, 0]]), np.array([[10.0, 0], [20.0, 0]])
    assert np.concatenate(in_order([far, near], np.zeros(2)))[:, 0].tolist() == [10, 20, 40, 50]


def test_a_head_is_measured_as_everywhere() -> None:
    ys, xs = np.mgrid[:60, :80]
    ellipse = ((xs - 40) / 24) ** 2 + ((ys - 30) / 15) ** 2 <= 1
    found = measure_outline(AnnotatedSperm(1.0, {"head": Region.from_full(ellipse)}), SHAPE)
    assert found["head_length_px"] == pytest.approx(48, rel=0.02)
    assert found["head_width_px"] == pytest.approx(30, rel=0.02)
    assert found["head_area_px2"] == ellipse.sum()
    assert found["head_perimeter_px"] == pytest.approx(124.2, rel=0.02)


def test_a_slip_far_from_the_head_is_left_out() -> None:
    head, crumb, slip = block(0, 0, 30, 30), block(32, 0, 36, 10), block(200, 200, 204, 204)
    assert near_largest(head.union(crumb).union(slip)).area == 900 + 40
    assert near_largest(head).area == 900


def test_a_sperm_of_nothing_has_no_measures() -> None:
    assert measure_outline(drawn(sperm=(0, 0, 9, 9)), SHAPE) == {}
    dot = measure_outline(drawn(tail=(5, 5, 6, 6)), SHAPE)
    assert dot["tail_area_px2"] == 1
    assert "tail_length_px" not in dot


def test_a_band_knows_its_width() -> None:
    assert band_width(9 * 300 + np.pi / 4 * 81, 300) == pytest.approx(9)
    assert band_width(np.pi / 4 * 81, 0) == pytest.approx(9)  # a disc


def test_paired_sperm_are_compared() -> None:
    expert = dataset("a", {"1.png": [sperm(0, 0, 40), sperm(0, 20, 40)]})
    method = dataset("m", {"1.png": [sperm(0, 20, 30), sperm(0, 0, 30), sperm(60, 45, 10)]})
    found = method_measurements(method, [expert], IMAGES, resamples=10)["a"]
    assert set(found) == set(MEASURES)
    assert found["tail_area_px2"].points.tolist() == [[150, 200], [150, 200]]
    assert found["tail_area_px2"].bias.value == -50
    assert found["tail_length_px"].bias.value == pytest.approx(-10, abs=0.5)
    assert found["head_area_px2"].bias.value == 0
    assert found["head_area_px2"].n == 2


def test_pairs_that_hardly_overlap_are_not_compared() -> None:
    expert = dataset("a", {"1.png": [sperm(0, 0)], "2.png": [sperm(0, 0)]})
    method = dataset("m", {"1.png": [sperm(20, 0)]})
    assert method_measurements(method, [expert], ["1.png", "2.png"], resamples=5)["a"]["head_area_px2"].n == 0


def test_experts_are_compared_in_pairs() -> None:
    experts = [dataset(name, {"1.png": [sperm(0, 0)]}) for name in "abc"]
    known = {expert.name: measure_outlines(expert, IMAGES) for expert in experts}
    found = expert_measurements(experts, IMAGES, known=known, resamples=5)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(one["tail_width_px"].bias.value == 0 for one in found.values())


def table(path: Path, rows: str) -> Path:
    path.write_text(",".join(["file_name", "sperm_id", *MEASURES]) + "\n" + rows)
    return path


def test_values_of_a_table_are_taken(tmp_path: Path) -> None:
    expert = dataset("a", {"1.png": [sperm(0, 0)]})
    path = table(tmp_path / "sperm.csv", "1.png,1,11,9,,100,70,5,150\n")
    assert read_table(path)["1.png", "1"]["head_length_px"] == 11
    found = method_measurements(expert, [expert], IMAGES, path, resamples=5)["a"]
    assert found["tail_length_px"].points[0, 0] == 70
    assert found["head_perimeter_px"].n == 0  # an empty field is no value


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1.png,1,x,9,,100,70,5,150\n", r"line 2: expected numbers, found other text"),
        ("1.png,1,1,9,,100,70,5,150\n1.png,1,1,9,,100,70,5,150\n", r"line 3: expected every sperm once"),
        ("2.png,1,1,9,,100,70,5,150\n", r"expected sperm 1 of 1\.png in the table"),
    ],
)
def test_bad_tables_are_refused(rows: str, message: str, tmp_path: Path) -> None:
    expert = dataset("a", {"1.png": [sperm(0, 0)]})
    with pytest.raises(AnnotationError, match=message):
        method_measurements(expert, [expert], IMAGES, table(tmp_path / "sperm.csv", rows), resamples=5)


def test_other_files_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        AnnotationError, match=r"other\.csv: expected the columns of sperm\.csv, found file_name"
    ):
        read_table(tmp_path / "other.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes.csv", "nowhere.csv"):
        with pytest.raises(AnnotationError, match="cannot be read"):
            read_table(tmp_path / name)
