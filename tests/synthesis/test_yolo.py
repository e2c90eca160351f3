from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cascade.errors import ConfigError, OutputError
from cascade.synthesis import synthesize, write_dataset
from cascade.synthesis.yolo import polygon
from cascade.types import BoolArray, Region

SHAPE = (512, 640)
HEAD = 60.0


def filled(points: np.ndarray, shape: tuple[int, int]) -> BoolArray:
    """As trainers fill polygons: pixels cut to integers, even-odd rule."""
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas > 0


def iou(a: BoolArray, b: BoolArray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_labels_read_back_as_the_masks(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "smears", 3, 4, SHAPE, HEAD, formats=["yolo"])
    names = yaml.safe_load(data.read_text(encoding="utf-8"))["names"]
    assert names == {0: "head", 1: "tail"}
    overlaps = []
    for seed in range(3):
        label = tmp_path / "smears" / "labels" / f"smear-{seed:06d}.txt"
        with Image.open(tmp_path / "smears" / "images" / f"smear-{seed:06d}.png") as picture:
            assert picture.size == SHAPE[::-1]
        wanted = [
            (number, region.full(SHAPE))
            for one in synthesize(4 + seed, SHAPE, HEAD).sperm
            if one.has_head
            for number, region in enumerate((one.head, one.flagellum))
            if region is not None
        ]
        rows = [line.split() for line in label.read_text(encoding="utf-8").splitlines()]
        assert [int(row[0]) for row in rows] == [number for number, _ in wanted]
        for row, (_, mask) in zip(rows, wanted, strict=True):
            points = np.array(row[1:], float).reshape(-1, 2)
            assert ((points > 0) & (points < 1)).all()
            overlaps.append(iou(filled(points * SHAPE[::-1], SHAPE), mask))
    assert len(overlaps) > 10
    assert min(overlaps) > 0.9
    assert np.median(overlaps) > 0.99


def test_a_ring_keeps_its_hole_and_pieces_stay_apart() -> None:
    mask = np.zeros((60, 90), np.uint8)
    cv2.circle(mask, (28, 30), 22, 1, 5)
    mask[10:20, 70:85] = 1
    found = filled(polygon(Region(mask > 0, 0, 0)), (60, 90))
    assert iou(found, mask > 0) > 0.95  # bridges are a pixel wide
    assert not found[28:32, 24:32].any()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 12))
def test_any_mask_is_covered(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((4, 5)) < 0.6, np.ones((size, size))) > 0
    if not mask.any():
        return
    points = polygon(Region(mask, 3, 2))
    assert len(points) >= 3
    assert filled(points, (60, 80))[2 : 2 + mask.shape[0], 3 : 3 + mask.shape[1]][mask].all()


def test_both_formats_share_the_pictures(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "both", 1, 0, SHAPE, HEAD, formats=["coco", "yolo"])
    assert path.name == "annotations.coco.json"
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "annotations.coco.json",
        "data.yaml",
        "images",
        "labels",
    ]


def test_an_unknown_format_or_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected formats of coco, yolo, got voc"):
        write_dataset(tmp_path / "x", 1, 0, SHAPE, HEAD, formats=["voc"])
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="new or empty folder"):
        write_dataset(tmp_path, 1, 0, SHAPE, HEAD, formats=["yolo"])
    assert [one.name for one in tmp_path.iterdir()] == ["note.txt"]
