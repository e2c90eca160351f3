"""Which images are looked at."""

from datetime import date
from pathlib import Path

import pytest
from drawn_smears import write_data

from cascade.benchmark.datasets import Dataset
from cascade.benchmark.selection import Selection, find_images, named_experts
from cascade.errors import AnnotationError, ImageError

DAYS = ["2023-01-03.png", "2023-01-01.png", "2023-01-02.png"]


def chosen(**options):
    return [name[:-4] for name in Selection(**options).names(DAYS)]


def test_filters_apply_in_order():
    assert chosen() == ["2023-01-01", "2023-01-02", "2023-01-03"]
    assert chosen(until=date(2023, 1, 2)) == ["2023-01-01", "2023-01-02"]
    assert chosen(after=date(2023, 1, 1)) == ["2023-01-02", "2023-01-03"]
    assert chosen(sample=2) == ["2023-01-01", "2023-01-03"]
    assert chosen(sample=2, limit=1, after=date(2023, 1, 1)) == ["2023-01-02"]


def test_a_list_names_images(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("# the good ones\n\n2023-01-03.png\n 2023-01-01.png \n")
    assert chosen(listed=path) == ["2023-01-01", "2023-01-03"]
    path.write_text("2023-01-09.png\n")
    with pytest.raises(AnnotationError, match=r"2023-01-09\.png"):
        chosen(listed=path)
    path.write_text("# none\n")
    with pytest.raises(AnnotationError, match="found none; name some"):
        chosen(listed=path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match="cannot be read"):
        chosen(listed=path)
    with pytest.raises(AnnotationError, match="cannot be read"):
        chosen(listed=tmp_path / "missing.txt")


def test_nothing_left_is_refused():
    with pytest.raises(AnnotationError, match="found none of 3 left"):
        chosen(after=date(2023, 1, 3))


def test_image_files_must_be_there(tmp_path):
    data = write_data(tmp_path / "data")
    files = find_images(DAYS, data / "images", Selection(limit=2))
    assert files == {name: data / "images" / name for name in ("2023-01-01.png", "2023-01-02.png")}
    with pytest.raises(ImageError, match=r"3 of 3 missing, first '2023-01-01\.png'"):
        find_images(DAYS, tmp_path, Selection())


def test_a_selection_can_be_told():
    told = Selection(listed=Path("x/some.txt"), until=date(2023, 1, 2), limit=3).described()
    assert told == {"listed": "some.txt", "until": "2023-01-02", "after": None, "sample": 1, "limit": 3}


def test_experts_by_name():
    experts = [Dataset(name, Path(f"{name}.json"), {}) for name in ("a", "b", "c")]
    assert [one.name for one in named_experts(experts, ["c", "a"])] == ["c", "a"]
    assert named_experts(experts, []) == experts
    with pytest.raises(AnnotationError, match="any of the experts a, b, c, found 'd'"):
        named_experts(experts, ["d"])
