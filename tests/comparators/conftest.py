"""Smears drawn by hand, as files and as arrays: dark ellipses with lines, whose outlines are known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from cascade.exports.coco import CATEGORIES

SHAPE = (384, 480)
PAPER = 235
INK = {"head": (110, 60, 140), "flagellum": (170, 180, 200)}
PARTS = ("acrosome", "nucleus", "midpiece", "tail")
Place = tuple[int, int]


@dataclass
class Drawing:
    """A smear and the parts of each of its sperm."""

    image: NDArray[np.uint8] = field(default_factory=lambda: np.full((*SHAPE, 3), PAPER, np.uint8))
    sperm: list[dict[str, NDArray[np.bool_]]] = field(default_factory=list)

    def add(self, head: Place, tail: list[Place]) -> None:
        """A head 34×24 pixels, its long axis along the first stretch of a tail 4 pixels wide."""
        along = np.array(tail[0], float) - head
        angle = float(np.degrees(np.arctan2(along[1], along[0])))
        masks = {name: np.zeros(SHAPE, np.uint8) for name in PARTS}
        cv2.ellipse(masks["nucleus"], head, (17, 12), angle, 0, 360, 1, -1)
        cv2.ellipse(masks["acrosome"], head, (17, 12), angle, 110, 250, 1, -1)
        points = np.array([head, *tail], np.int32)
        cv2.polylines(masks["tail"], [points], False, 1, 4)
        cv2.line(masks["midpiece"], head, tail[0], 1, 4)
        whole = masks["nucleus"] | masks["acrosome"]
        parts = {name: (mask > 0) & ((whole == 0) | (name in PARTS[:2])) for name, mask in masks.items()}
        parts["nucleus"] &= ~parts["acrosome"]
        parts["tail"] &= ~parts["midpiece"]
        self.image[parts["tail"] | parts["midpiece"]] = INK["flagellum"]
        self.image[whole > 0] = INK["head"]
        self.sperm.append(parts)


@pytest.fixture(scope="session")
def crossing() -> Drawing:
    """Two sperm whose tails cross at x 240, y 192."""
    drawing = Drawing()
    drawing.add((90, 192), [(120, 192), (420, 192)])
    drawing.add((240, 50), [(240, 80), (240, 350)])
    return drawing


def write_data(folder: Path, drawings: dict[str, Drawing]) -> tuple[Path, Path]:
    """A COCO file and a folder of images, as `cs3 train` reads them."""
    images = folder / "images"
    images.mkdir(parents=True)
    ids = {category["name"]: category["id"] for category in CATEGORIES}
    document: dict[str, list[object]] = {"categories": list(CATEGORIES), "images": [], "annotations": []}
    for number, (name, drawing) in enumerate(drawings.items(), 1):
        Image.fromarray(drawing.image).save(images / name)
        document["images"].append({"id": number, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]})
        for sperm_id, parts in enumerate(drawing.sperm, 1):
            for part, mask in parts.items():
                encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
                document["annotations"].append(
                    {
                        "id": len(document["annotations"]) + 1,
                        "image_id": number,
                        "sperm_id": sperm_id,
                        "category_id": ids[part],
                        "segmentation": {"size": list(SHAPE), "counts": encoded["counts"].decode("ascii")},
                    }
                )
    path = folder / "expert.json"
    path.write_text(json.dumps(document))
    return path, images


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, crossing: Drawing) -> tuple[Path, Path]:
    """Truth and images of three days with the same smear."""
    names = ("a_2023-01-01.png", "b_2023-01-02.png", "c_2023-01-03.png")
    return write_data(tmp_path_factory.mktemp("data"), dict.fromkeys(names, crossing))
