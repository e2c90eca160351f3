"""Annotations of several experts, in whatever form they are kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_sperm import SHAPE, dataset, sperm
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.benchmark.annotations import AnnotatedSperm, read_annotations, write_annotations
from cascade.benchmark.datasets import check_masks, check_prediction, common_images, open_datasets
from cascade.errors import AnnotationError

CATEGORIES = ("head", "tail")


def coco(
    path: Path,
    images: Mapping[str, Sequence[AnnotatedSperm]],
    shape: tuple[int, int] = SHAPE,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_annotations(path, dataset("x", images, shape).images)
    return path


def boxes(sperm: AnnotatedSperm) -> dict[str, tuple[int, int, int, int]]:
    return {name: region.box for name, region in sperm.parts.items()}


def labels(path: Path, shape: tuple[int, int] = SHAPE) -> Path:
    """A label PNG of two sperm, 1 and 7."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(shape, np.uint8)
    pixels[0:10, 0:10], pixels[20:30, 0:10] = 1, 7
    Image.fromarray(pixels).save(path)
    return path


def test_a_coco_file_is_one_expert(tmp_path: Path) -> None:
    path = coco(tmp_path / "anna.json", {"1.png": [sperm(0, 0)], "2.png": []})
    (expert,) = open_datasets([path])
    assert (expert.name, expert.path, list(expert.images)) == ("anna", path, ["1.png", "2.png"])


def test_written_annotations_are_read_back(tmp_path: Path) -> None:
    found = {"1.png": [sperm(0, 0, score=0.25), sperm(70, 50, 60)]}  # the second reaches out of the image
    images = read_annotations(coco(tmp_path / "a.json", found))
    one, other = images["1.png"].sperm()
    assert (one.score, boxes(one)) == (0.25, boxes(found["1.png"][0]))
    assert boxes(other) == {"head": (70, 50, 80, 60), "tail": (80, 53, 100, 58)}
    with pytest.raises(AnnotationError, match="found a whole sperm"):
        write_annotations(tmp_path / "b.json", dataset("w", {"1.png": [whole()]}).images)
    assert not (tmp_path / "b.json").exists()


def whole() -> AnnotatedSperm:
    return AnnotatedSperm(1.0, {"sperm": sperm(0, 0).whole})


def test_a_folder_of_coco_files_is_several_experts(tmp_path: Path) -> None:
    for name in ("b", "a"):
        coco(tmp_path / f"{name}.json", {"1.png": [sperm(0, 0)]})
    (tmp_path / "images").mkdir()
    (tmp_path / "README.md").write_text("about")
    assert [expert.name for expert in open_datasets([tmp_path])] == ["a", "b"]


def test_results_of_a_segmentation_are_a_data_set(tmp_path: Path) -> None:
    coco(tmp_path / "run1" / "annotations.coco.json", {"1.png": [sperm(0, 0)]})
    (tmp_path / "run1" / "run.json").write_text("{}")
    (expert,) = open_datasets([tmp_path / "run1"])
    assert expert.name == "run1"


def plain(path: Path, names: Sequence[str], **more: Any) -> Path:
    """COCO instances without `sperm_id`, one of each category."""
    annotations = [
        {"id": n, "image_id": 1, "category_id": n, "segmentation": [[0, n * 10, 9, n * 10, 9, n * 10 + 5]]}
        | more
        for n in range(len(names))
    ]
    content = {
        "images": [{"id": 1, "file_name": "1.png", "height": 60, "width": 100}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(content))
    return path


def test_plain_instances_are_a_sperm_each(tmp_path: Path) -> None:
    (expert,) = open_datasets([plain(tmp_path / "a.json", ["normal", "abnormal"])])
    assert [set(one.parts) for one in expert.images["1.png"].sperm()] == [{"sperm"}, {"sperm"}]
    (expert,) = open_datasets([plain(tmp_path / "b.json", ["Kopf", "Kopf"])], rename={"kopf": "head"})
    assert [set(one.parts) for one in expert.images["1.png"].sperm()] == [{"head"}, {"head"}]


def test_parts_without_sperm_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json: expected the key 'sperm_id' in .* head and tail"):
        open_datasets([plain(tmp_path / "a.json", ["head", "tail"])])
    with pytest.raises(AnnotationError, match=r"annotation 0: expected single sperm, found a crowd"):
        open_datasets([plain(tmp_path / "b.json", ["sperm"], iscrowd=1)])


def test_label_pictures_find_their_images(tmp_path: Path) -> None:
    labels(tmp_path / "masks" / "one.png")
    labels(tmp_path / "masks" / "two.jpg.png")
    (tmp_path / "images").mkdir()
    for name in ("one.tif", "two.jpg", "two.png"):
        (tmp_path / "images" / name).touch()
    (expert,) = open_datasets([tmp_path / "masks"], images=tmp_path / "images")
    assert sorted(expert.images) == ["one.tif", "two.jpg"]
    assert [boxes(one) for one in expert.images["two.jpg"].sperm()] == [
        {"sperm": (0, 0, 10, 10)},
        {"sperm": (0, 20, 10, 30)},
    ]
    labels(tmp_path / "masks" / "two.png")  # of two.jpg or of two.png?
    with pytest.raises(AnnotationError, match=r"masks: expected 'two' to be of one image"):
        open_datasets([tmp_path / "masks"], images=tmp_path / "images")


def test_label_pictures_take_names_from_another_expert(tmp_path: Path) -> None:
    path = coco(tmp_path / "a.json", {"one.jpg": [sperm(0, 0)]})
    labels(tmp_path / "b" / "one.png")
    experts = open_datasets([tmp_path / "b", path])
    assert [expert.name for expert in experts] == ["b", "a"]
    assert common_images(experts) == ["one.jpg"]


def test_parts_in_folders_share_numbers(tmp_path: Path) -> None:
    labels(tmp_path / "heads" / "one.png")
    labels(tmp_path / "tail" / "one.png")
    (expert,) = open_datasets([tmp_path])
    assert [set(one.parts) for one in expert.images["one"].sperm()] == [{"head", "tail"}] * 2


def test_one_picture_an_instance(tmp_path: Path) -> None:
    for folder, names in (("one", ["a_head", "a_tail", "b_head"]), ("two/masks", ["0f3c"])):
        for name in names:
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros(SHAPE, np.uint8)
            pixels[:9, :9] = 255
            Image.fromarray(pixels).save(path)
    (expert,) = open_datasets([tmp_path])
    assert [set(one.parts) for one in expert.images["one"].sperm()] == [{"head", "tail"}, {"head"}]
    assert [set(one.parts) for one in expert.images["two"].sperm()] == [{"sperm"}]


def test_folders_of_experts(tmp_path: Path) -> None:
    for name in ("anna", "ben"):
        coco(tmp_path / name / "file.json", {"1.png": [sperm(0, 0)]})
    experts = open_datasets([tmp_path])
    assert [expert.name for expert in experts] == ["anna/file", "ben/file"]


REFUSED = {
    "nothing there": lambda folder: [folder / "nowhere"],
    "another file": lambda folder: [folder / "note.txt"],
    "an empty folder": lambda folder: [folder / "empty"],
    "no path": lambda _: [],
    "twice": lambda folder: [folder / "a.json", folder / "a.json"],
    "no sperm": lambda folder: [folder / "none.json"],
    "other size": lambda folder: [folder / "a.json", folder / "small.json"],
    "a single labelme file": lambda folder: [folder / "labelme.json"],
    "another JSON file": lambda folder: [folder / "mixed"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_data_set_is_refused_by_name(case: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "empty").mkdir()
    coco(tmp_path / "a.json", {"1.png": [sperm(0, 0)]})
    coco(tmp_path / "none.json", {"1.png": []})
    coco(tmp_path / "small.json", {"1.png": [sperm(0, 0)]}, shape=(50, 100))
    (tmp_path / "labelme.json").write_text('{"shapes": []}')
    coco(tmp_path / "mixed" / "a.json", {"1.png": [sperm(0, 0)]})
    (tmp_path / "mixed" / "settings.json").write_text("{}")
    paths = REFUSED[case](tmp_path)
    message = {
        "no path": "expected at least one expert",
        "other size": r"small\.json: 1\.png: expected height, width \(60, 100\) as in .*a\.json, found \(50",
        "twice": r"a\.json: expected every expert once",
        "another JSON file": r"settings\.json: expected nothing but COCO files",
    }.get(case, str(paths[-1]) if paths else "")
    with pytest.raises(AnnotationError, match=message):
        open_datasets(paths)


def test_experts_without_a_common_image_are_refused(tmp_path: Path) -> None:
    paths = [coco(tmp_path / f"{n}.json", {f"{n}.png": [sperm(0, 0)]}) for n in "ab"]
    with pytest.raises(AnnotationError, match=r"a\.json, .*b\.json annotated, found none"):
        common_images(open_datasets(paths))


def test_damaged_masks_are_found_beforehand(tmp_path: Path) -> None:
    path = plain(tmp_path / "a.json", ["sperm"])
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = {"size": [9, 9], "counts": [81]}
    path.write_text(json.dumps(content))
    experts = open_datasets([path])
    check_masks(experts, ["another.png"])
    with pytest.raises(
        AnnotationError, match=r"a\.json: annotation 0: its mask cannot be decoded, expected the image"
    ):
        check_masks(experts, ["1.png"])


def test_predictions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    (expert,) = open_datasets([coco(tmp_path / "a.json", {"1.png": [sperm(0, 0)]})])
    source = tmp_path / "p.json"
    check_prediction({}, [expert], source)
    with pytest.raises(AnnotationError, match=r"p\.json: expected images that .*a\.json holds.*'2\.png'"):
        check_prediction(dataset("p", {"2.png": []}).images, [expert], source)
    with pytest.raises(AnnotationError, match=r"p\.json: 1\.png: expected height, width \(60, 100\)"):
        check_prediction(dataset("p", {"1.png": []}, (100, 60)).images, [expert], source)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["images", "annotations", "categories", "id", "shapes", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=r"any\.json"):
        open_datasets([path])
