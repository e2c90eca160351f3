import io
import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from cascade.exports import coco
from cascade.types import Head, Region, Remark, Result, Sperm


@pytest.fixture
def document(crossing, blank):
    handle = io.StringIO()
    coco.write(handle, [coco.annotate("blank.png", blank), coco.annotate("a.png", crossing)])
    return json.loads(handle.getvalue())


def test_stream_equals_the_document(document, crossing, blank):
    assert coco.document([coco.annotate("blank.png", blank), coco.annotate("a.png", crossing)]) == document


def test_images(document):
    assert document["images"] == [
        {"id": 1, "file_name": "blank.png", "width": 40, "height": 30},
        {"id": 2, "file_name": "a.png", "width": 40, "height": 30},
    ]


def test_categories_are_numbered_as_documented(document):
    names = {category["id"]: category["name"] for category in document["categories"]}
    assert names == {1: "acrosome", 2: "nucleus", 3: "vacuole", 4: "midpiece", 5: "tail", 6: "head"}


def test_one_annotation_a_part(document):
    found = [
        (a["id"], a["image_id"], a["sperm_id"], a["category_id"], a["score"], a["complete"], a["iscrowd"])
        for a in document["annotations"]
    ]
    assert found == [
        (1, 2, 1, 6, 0.9, True, 0),
        (2, 2, 1, 5, 0.9, True, 0),
        (3, 2, 2, 6, 0.7, True, 0),
        (4, 2, 2, 5, 0.7, True, 0),
        (5, 2, 3, 6, 0.5, False, 0),
        (6, 2, 4, 5, 0.25, False, 0),
    ]


def test_boxes_and_areas(document):
    first = document["annotations"][0]
    assert (first["bbox"], first["area"]) == ([2, 13, 8, 7], 56)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_pycocotools_reads_the_masks_back(document, crossing, tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps(document))
    loaded = COCO(str(tmp_path / "a.json"))
    capsys.readouterr()  # it prints while it loads
    regions = [part.region for s in crossing.sperm for part in (s.head, s.tail) if part is not None]
    for annotation, region in zip(loaded.loadAnns(loaded.getAnnIds(imgIds=[2])), regions, strict=True):
        assert np.array_equal(loaded.annToMask(annotation).astype(bool), region.full((30, 40)))


def test_two_tails_own_the_crossing(document):
    tails = [a["segmentation"] for a in document["annotations"] if a["category_id"] == 5]
    assert rle.area(rle.merge(tails[:2], intersect=True)) == 9


def test_sperm_is_the_union_of_its_parts(document, crossing):
    for sperm in crossing.sperm:
        parts = [a["segmentation"] for a in document["annotations"] if a["sperm_id"] == sperm.sperm_id]
        assert (
            rle.iou(
                [rle.merge(parts)],
                [rle.encode(np.asfortranarray(sperm.region.full((30, 40)), np.uint8))],
                [0],
            )
            == 1
        )


def test_part_over_the_edge_is_cut_and_one_outside_left_out():
    over = Region(np.ones((4, 4), bool), -2, -2)
    outside = Region(np.ones((4, 4), bool), 50, 50)
    heads = [Head(r, 1.0, np.zeros(2), np.array([1.0, 0.0]), 4.0, 4.0) for r in (over, outside)]
    result = Result((10, 10), tuple(Sperm(i, h, None, 1.0) for i, h in enumerate(heads, 1)), 4.0, "measured")
    (annotation,) = coco.annotate("a.png", result).annotations
    assert (annotation["bbox"], annotation["area"]) == ([0, 0, 2, 2], 4)


def test_only_sperm_with_remarks_carry_them(crossing):
    first = replace(crossing.sperm[0], remarks=(Remark("second tail", 4),))
    annotated = coco.annotate_parts(replace(crossing, sperm=(first, *crossing.sperm[1:])))
    carried = [(one["sperm_id"], one["remarks"]) for one in annotated if "remarks" in one]
    assert carried == [(1, [{"kind": "second tail", "other": 4}])] * 2
