"""labelme folders."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.benchmark.datasets import open_datasets
from cascade.benchmark.labelme import read_labelme
from cascade.errors import AnnotationError

Shape = dict[str, Any]


def shape(label: str, group: int | None, *points: tuple[float, float], **more: Any) -> Shape:
    return {
        "label": label,
        "group_id": group,
        "points": [list(p) for p in points],
        "shape_type": "polygon",
    } | more


def box(label: str, group: int | None, x0: float, y0: float, x1: float, y1: float) -> Shape:
    return shape(label, group, (x0, y0), (x1, y1), shape_type="rectangle")


def write(path: Path, shapes: list[Any], **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "5.4.1",
        "shapes": shapes,
        "imagePath": "..\\images\\smear.jpg",
        "imageHeight": 40,
        "imageWidth": 60,
        "imageData": None,
    }
    path.write_text(json.dumps(content | more))
    return path


def test_shapes_of_one_group_are_one_sperm(tmp_path: Path) -> None:
    shapes = [
        box("Head", 1, 0, 0, 10, 10),
        box("tail", 1, 10, 2, 20, 6),
        box("tail", 1, 25, 2, 30, 6),
        box("head", 2, 0, 20, 10, 30),
    ]
    write(tmp_path / "set" / "smear.json", shapes)
    (expert,) = open_datasets([tmp_path / "set"])
    assert expert.name == "set"
    one, other = expert.images["smear.jpg"].sperm()
    assert {name: (part.box, part.area) for name, part in one.parts.items()} == {
        "head": ((0, 0, 10, 10), 100),
        "tail": ((10, 2, 30, 6), 60),
    }
    assert set(other.parts) == {"head"}


def test_shapes_with_area_are_filled(tmp_path: Path) -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[1:, 2:] = 255
    buffer = BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    text = base64.b64encode(buffer.getvalue()).decode()
    shapes = [
        shape("sperm", None, (20, 20), (20, 30), shape_type="circle"),
        shape("sperm", None, (3, 5), (8, 9), shape_type="mask", mask=text),
        shape("sperm", None, (40, 0), (50, 0), (50, 10), (40, 10), shape_type=None),
    ]
    images = read_labelme([write(tmp_path / "a.json", shapes)])
    circle, drawn, square = (one.parts["sperm"] for one in images["smear.jpg"].sperm())
    assert circle.area == pytest.approx(np.pi * 100, rel=0.03)
    assert (drawn.box, drawn.area) == ((5, 6, 8, 9), 9)
    assert (square.box, square.area) == ((40, 0, 50, 10), 100)


def test_shapes_without_groups_are_a_sperm_each(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", [box("normal", None, 0, 0, 9, 9), box("bent", None, 20, 0, 29, 9)])
    assert [set(one.parts) for one in read_labelme([path])["smear.jpg"].sperm()] == [{"sperm"}] * 2
    path = write(tmp_path / "b.json", [box("K", None, 0, 0, 9, 9)])
    assert [set(s.parts) for s in read_labelme([path], {"k": "head"})["smear.jpg"].sperm()] == [{"head"}]


BROKEN: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "parts without groups": (
        [box("head", None, 0, 0, 9, 9), box("tail", None, 9, 0, 20, 9)],
        {},
        "shape 1: expected a group_id on shapes of head and tail",
    ),
    "one without a group": (
        [box("head", 1, 0, 0, 9, 9), box("tail", None, 9, 0, 20, 9)],
        {},
        "shape 2: expected a group_id, found none",
    ),
    "unknown part": ([box("neck", 1, 0, 0, 9, 9)], {}, "shape 1: expected one of acrosome, .* found 'neck'"),
    "a line": (
        [shape("tail", 1, (0, 0), (9, 9), shape_type="line")],
        {},
        "found a 'line', which has no area",
    ),
    "two points": ([shape("tail", 1, (0, 0), (9, 9))], {}, "expected 3 or more points of a polygon, found 2"),
    "no numbers": ([shape("tail", 1) | {"points": [["a", 1]]}], {}, "a coordinate: expected int or float"),
    "three coordinates": ([shape("tail", 1) | {"points": [[1, 2, 3]]}], {}, r"expected points \[x, y\]"),
    "not finite": ([shape("tail", 1) | {"points": [[1, float("inf")]]}], {}, r"expected points \[x, y\]"),
    "no label": ([{"points": []}], {}, "shape 1: expected the key 'label'"),
    "not a shape": ([3], {}, "shape 1: expected dict, found int"),
    "a group of text lists": (
        [box("head", 1, 0, 0, 1, 1) | {"group_id": [1]}],
        {},
        "'group_id': expected int or str",
    ),
    "no height": ([], {"imageHeight": None}, "'imageHeight': expected int, found NoneType"),
    "no image": ([], {"imagePath": ""}, "expected a file name as imagePath"),
    "absurd size": ([], {"imageWidth": 10**9}, "pixels a side"),
    "damaged mask": (
        [shape("head", 1, (0, 0), (9, 9), shape_type="mask", mask="????")],
        {},
        "its mask cannot be decoded",
    ),
    "no picture in the mask": (
        [shape("head", 1, (0, 0), (9, 9), shape_type="mask", mask="AAAA")],
        {},
        "its mask cannot be decoded",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_by_name(case: str, tmp_path: Path) -> None:
    shapes, more, message = BROKEN[case]
    with pytest.raises(AnnotationError, match=rf"a\.json.*{message}"):
        read_labelme([write(tmp_path / "a.json", shapes, **more)])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 50) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
KEYS = ("label", "group_id", "points", "shape_type", "mask")


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=5), st.sampled_from(KEYS), values)
def test_any_shape_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, wild: Shape, key: str, value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    for one in (wild, box("head", 1, 0, 0, 9, 9) | {key: value}):
        try:
            read_labelme([write(path, [one])])["smear.jpg"].sperm()
        except AnnotationError as error:
            assert "any.json" in str(error)  # noqa: PT017  nothing else may come


def test_a_mask_larger_than_the_image_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    Image.fromarray(np.zeros((50, 10), np.uint8)).save(buffer, "PNG")
    one = shape(
        "head", 1, (0, 0), (9, 9), shape_type="mask", mask=base64.b64encode(buffer.getvalue()).decode()
    )
    with pytest.raises(AnnotationError, match="no larger than the image, found 10×50"):
        read_labelme([write(tmp_path / "a.json", [one])])


def test_an_image_has_one_file(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.json", []) for n in "ab"]
    with pytest.raises(
        AnnotationError, match=r"b\.json: expected one file an image, found 'smear\.jpg' twice"
    ):
        read_labelme(paths)
