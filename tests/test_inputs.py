import pytest

from cascade.errors import ImageError
from cascade.inputs import find_inputs, output_names


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.png",
        "a.JPG",
        "notes.txt",
        "sub/c.tif",
        "sub/.hidden.png",
        ".cache/d.png",
        "sub/deep/e.bmp",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def relative(found, folder):
    return [path.relative_to(folder).as_posix() for path in found]


def test_folder_is_searched_for_images(folder):
    assert relative(find_inputs([folder]), folder) == ["a.JPG", "b.png", "sub/c.tif", "sub/deep/e.bmp"]


def test_file_named_outright_may_have_any_name(folder):
    assert relative(find_inputs([folder / "notes.txt"]), folder) == ["notes.txt"]


def test_patterns(folder):
    assert relative(find_inputs([f"{folder}/*.png"]), folder) == ["b.png"]
    assert relative(find_inputs([f"{folder}/**/*.tif"]), folder) == ["sub/c.tif"]


def test_name_that_looks_like_a_pattern(folder):
    (folder / "x[1].png").touch()
    assert relative(find_inputs([folder / "x[1].png"]), folder) == ["x[1].png"]


def test_each_file_once_in_the_order_named(folder):
    found = find_inputs([folder / "sub/c.tif", folder, folder / "b.png"])
    assert relative(found, folder) == ["sub/c.tif", "a.JPG", "b.png", "sub/deep/e.bmp"]


def test_results_inside_the_inputs_are_left_out(folder):
    found = find_inputs([folder, f"{folder}/**/*.*"], exclude=folder / "sub")
    assert relative(found, folder) == ["a.JPG", "b.png", "notes.txt"]


@pytest.mark.parametrize(
    ("name", "message"), [("missing.png", "nothing there"), ("*.gif", "found none"), ("empty", "found none")]
)
def test_input_without_images_is_named(folder, name, message):
    (folder / "empty").mkdir()
    with pytest.raises(ImageError, match=message):
        find_inputs([folder, folder / name])


def test_pattern_of_results_alone_is_an_error(folder):
    with pytest.raises(ImageError, match="found none"):
        find_inputs([f"{folder}/sub/*.tif"], exclude=folder / "sub")


def test_names_are_base_names(folder):
    assert output_names([folder / "b.png", folder / "sub/c.tif"]) == ["b.png", "c.tif"]
    assert output_names([]) == []


def test_colliding_names_become_paths_below_the_common_folder(tmp_path):
    paths = [tmp_path / "mon/a.png", tmp_path / "tue/1/A.png", tmp_path / "tue/b.png"]
    assert output_names(paths) == ["mon/a.png", "tue/1/A.png", "b.png"]


def test_relative_paths_collide_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert output_names([Path("a.png"), Path("x/../y/a.png")]) == ["a.png", "y/a.png"]
