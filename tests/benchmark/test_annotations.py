"""Reading annotation files, and refusing those that break their promises."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.benchmark.annotations import read_annotations
from cascade.errors import AnnotationError

Document = dict[str, Any]


def square(x: int, y: int, size: int = 4) -> list[list[int]]:
    """A polygon that fills `size` × `size` pixels."""
    return [[x, y, x + size, y, x + size, y + size, x, y + size]]


def document() -> Document:
    """Two images; the first has one sperm of a head and a tail in two pieces."""
    return {
        "images": [
            {"id": 1, "file_name": "one.png", "height": 20, "width": 30},
            {"id": 2, "file_name": "two.png", "height": 20, "width": 30},
        ],
        "categories": [{"id": 5, "name": "Tail"}, {"id": 6, "name": "head"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 6,
                "sperm_id": 9,
                "segmentation": square(2, 3),
                "score": 0.4,
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 5,
                "sperm_id": 9,
                "segmentation": square(6, 3),
                "score": 0.6,
            },
            {"id": 3, "image_id": 1, "category_id": 5, "sperm_id": 9, "segmentation": square(12, 3)},
        ],
    }


def write(folder: Path, content: object) -> Path:
    path = folder / "file.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_parts_are_joined_to_sperm(tmp_path: Path) -> None:
    images = read_annotations(write(tmp_path, document()))
    assert list(images) == ["one.png", "two.png"]
    assert images["one.png"].shape == (20, 30)
    assert images["two.png"].sperm() == []
    (sperm,) = images["one.png"].sperm()
    assert sperm.score == 1  # the highest of its parts; none given means certain
    assert {name: region.box for name, region in sperm.parts.items()} == {
        "head": (2, 3, 6, 7),
        "tail": (6, 3, 16, 7),
    }
    assert sperm.flagellum.area == 32
    assert sperm.whole.box == (2, 3, 16, 7)


def test_three_ways_to_write_a_mask_are_one(tmp_path: Path) -> None:
    content = document()
    # Column 1, rows 2 to 6, of a 20 × 30 image; compressed text as the COCO API writes it.
    runs = [22, 5, 573]
    ways = [
        {"size": [20, 30], "counts": runs},
        {"size": [20, 30], "counts": "f05ma0"},
        [[1, 2, 2, 2, 2, 7, 1, 7]],
    ]
    for annotation, way in zip(content["annotations"], ways, strict=True):
        annotation["segmentation"], annotation["category_id"] = way, 5
    found = []
    for annotation in content["annotations"]:
        alone = {**content, "annotations": [annotation]}
        (sperm,) = read_annotations(write(tmp_path, alone))["one.png"].sperm()
        found.append((sperm.parts["tail"].box, sperm.parts["tail"].area))
    assert found == [((1, 2, 2, 7), 5)] * 3


def test_the_centreline_is_one_pixel_wide(tmp_path: Path) -> None:
    content = document()
    content["annotations"][1]["segmentation"] = [[5, 8, 25, 8, 25, 11, 5, 11]]
    del content["annotations"][2]
    (sperm,) = read_annotations(write(tmp_path, content))["one.png"].sperm()
    line = sperm.centreline.full((20, 30))
    assert line.sum(0).max() == 1
    assert line[9].sum() >= line.sum() - 2  # a skeleton may lean to a corner at its ends
    assert 17 <= line.sum() <= 20


def drop(where: str, number: int, key: str) -> Callable[[Document], None]:
    return lambda content: content[where][number].pop(key)


def put(where: str, number: int, key: str, value: object) -> Callable[[Document], None]:
    return lambda content: content[where][number].update({key: value})


BROKEN = {
    "no images": (lambda d: d.pop("images"), "expected the key 'images'"),
    "images not a list": (lambda d: d.update(images={}), "expected list, found dict"),
    "entry not an object": (lambda d: d["images"].append(3), "expected dict, found int"),
    "image without name": (drop("images", 1, "file_name"), "image 2: expected the key 'file_name'"),
    "image without height": (drop("images", 0, "height"), "one.png: expected the key 'height'"),
    "image of no size": (put("images", 0, "width", 0), "found 0×20"),
    "absurd size": (put("images", 0, "width", 10**9), "100000 pixels a side"),
    "image id twice": (put("images", 1, "id", 1), "every id in images once, found 1"),
    "file name twice": (put("images", 1, "file_name", "one.png"), "found 'one.png' twice"),
    "category without name": (drop("categories", 0, "name"), "category 5: expected the key 'name'"),
    "annotation id twice": (put("annotations", 2, "id", 1), "every id in annotations once, found 1"),
    "annotation without sperm": (
        drop("annotations", 0, "sperm_id"),
        "annotation 1: expected the key 'sperm_id'",
    ),
    "no segmentation": (drop("annotations", 0, "segmentation"), "expected the key 'segmentation'"),
    "unknown image": (put("annotations", 0, "image_id", 7), "image_id 7 is not listed"),
    "unknown category": (put("annotations", 0, "category_id", 7), "category_id 7 is not listed"),
    "unknown part": (
        put("categories", 0, "name", "flagellum"),
        "expected one of the parts .* found 'flagellum'",
    ),
    "score as text": (put("annotations", 0, "score", "high"), "expected int or float, found str"),
    "score not finite": (put("annotations", 0, "score", math.inf), "expected a finite score"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_structure_is_refused_by_name(case: str, tmp_path: Path) -> None:
    change, message = BROKEN[case]
    content = document()
    change(content)
    with pytest.raises(AnnotationError, match=message):
        read_annotations(write(tmp_path, content))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 50) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.data(), VALUES)
def test_any_value_anywhere_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, value: object
) -> None:
    content = document()
    place = data.draw(st.sampled_from(["images", "categories", "annotations"]))
    entry = data.draw(st.sampled_from(content[place]))
    entry[data.draw(st.sampled_from([*entry, "iscrowd"]))] = value
    path = write(tmp_path_factory.getbasetemp(), content)
    try:
        for image in read_annotations(path).values():
            image.sperm()
    except AnnotationError as error:
        assert "file.json" in str(error)  # noqa: PT017  nothing else may come


BAD_MASKS = {
    "empty": [],
    "two points": [[1, 1, 2, 2]],
    "odd numbers": [[1, 1, 2, 2, 3, 3, 4]],
    "text in polygon": [["a", 1, 2, 2, 3, 3]],
    "ragged": [[[1, 2], [3]]],
    "far outside": [[0, 0, 1e9, 0, 1e9, 1e9]],
    "not finite": [[0, 0, math.inf, 0, 5, 5]],
    "no counts": {"size": [20, 30]},
    "other size": {"size": [30, 20], "counts": [600]},
    "size not a list": {"size": 600, "counts": [600]},
    "too few pixels": {"size": [20, 30], "counts": [599]},
    "negative run": {"size": [20, 30], "counts": [700, -100]},
    "runs as text in a list": {"size": [20, 30], "counts": ["x"]},
    "runs missing": {"size": [20, 30], "counts": None},
    "cut short": {"size": [20, 30], "counts": "f05ma"},
    "other characters": {"size": [20, 30], "counts": "f0 5ma0"},
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_bad_masks_are_refused_with_their_annotation(case: str, tmp_path: Path) -> None:
    content = document()
    content["annotations"][1]["segmentation"] = BAD_MASKS[case]
    image = read_annotations(write(tmp_path, content))["one.png"]
    with pytest.raises(AnnotationError, match=r"file\.json: annotation 2: its mask cannot be decoded"):
        image.sperm()


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "nonsense", '"text"', "[" * 100_000])
def test_what_is_not_a_coco_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"file\.json"):
        read_annotations(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"nowhere\.json: cannot be read"):
        read_annotations(tmp_path / "nowhere.json")
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_annotations(tmp_path)
