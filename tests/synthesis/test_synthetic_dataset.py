from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from cascade.errors import ConfigError, OutputError
from cascade.synthesis import synthesize, write_dataset

SHAPE = (160, 200)
HEAD = 20.0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("smears"), 3, 5, SHAPE, HEAD)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_the_file_loads_as_coco_and_holds_the_truth(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coco = COCO(str(written))
    capsys.readouterr()
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == {
        1: "acrosome",
        2: "nucleus",
        3: "vacuole",
        4: "midpiece",
        5: "tail",
    }
    for image_id in coco.getImgIds():
        smear = synthesize(4 + image_id, SHAPE, HEAD)
        with_head = {one.sperm_id: one for one in smear.sperm if one.has_head}
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
        assert {a["sperm_id"] for a in annotations} == set(with_head)
        for sperm_id, one in with_head.items():
            for category, region in ((1, one.acrosome), (2, one.nucleus), (4, one.midpiece), (5, one.tail)):
                masks = [
                    coco.annToMask(a)
                    for a in annotations
                    if a["sperm_id"] == sperm_id and a["category_id"] == category
                ]
                assert len(masks) == (region is not None)
                if region is not None:
                    np.testing.assert_array_equal(masks[0].astype(bool), region.full(SHAPE))


def test_annotations_are_numbered_and_measured(written: Path) -> None:
    content = json.loads(written.read_text(encoding="utf-8"))
    annotations = content["annotations"]
    assert [a["id"] for a in annotations] == list(range(1, len(annotations) + 1))
    assert annotations
    for a in annotations:
        assert a["head_in_view"] is True
        assert rle.area(a["segmentation"]) == a["area"] > 0
        assert list(rle.toBbox(a["segmentation"])) == a["bbox"]


def test_pictures_are_those_of_their_seeds(written: Path) -> None:
    for image in json.loads(written.read_text(encoding="utf-8"))["images"]:
        picture = cv2.imread(str(written.parent / image["file_name"]))
        assert picture is not None
        np.testing.assert_array_equal(picture[..., ::-1], synthesize(image["seed"], SHAPE, HEAD).image)


def test_flagella_without_a_head_are_written_when_asked_for(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "all", 3, 5, SHAPE, HEAD, headless=True)
    flags = {a["head_in_view"] for a in json.loads(path.read_text(encoding="utf-8"))["annotations"]}
    assert flags == {True, False}


def test_progress_is_told_and_jpeg_written(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_dataset(
        tmp_path / "new",
        2,
        0,
        SHAPE,
        HEAD,
        suffix=".jpg",
        progress=lambda done, all_: told.append((done, all_)),
    )
    assert told == [(1, 2), (2, 2)]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "annotations.coco.json",
        "smear-000000.jpg",
        "smear-000001.jpg",
    ]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="expected a new or empty folder"):
        write_dataset(tmp_path, 1, 0, SHAPE, HEAD)
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(("count", "suffix"), [(0, ".png"), (1, ".tiff")])
def test_wrong_requests_are_named(tmp_path: Path, count: int, suffix: str) -> None:
    with pytest.raises(ConfigError, match="count of 1 or more"):
        write_dataset(tmp_path / "x", count, 0, SHAPE, HEAD, suffix=suffix)
    assert not (tmp_path / "x").exists()
