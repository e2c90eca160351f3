import io
import zipfile

import numpy as np
import pytest
from roifile import ROI_TYPE, ImagejRoi

from cascade.exports.imagej import archive
from cascade.types import Head, Region, Result, Sperm


@pytest.fixture
def read_rois(tmp_path):
    def read(result):
        (tmp_path / "rois.zip").write_bytes(archive(result))
        found = ImagejRoi.fromfile(tmp_path / "rois.zip") if result.sperm else []
        return {roi.name: roi for roi in found}

    return read


def test_one_roi_a_part_named_by_sperm(read_rois, crossing):
    assert list(read_rois(crossing)) == [
        "sperm-001-head",
        "sperm-001-tail",
        "sperm-002-head",
        "sperm-002-tail",
        "sperm-003-head",
        "sperm-004-tail",
    ]


def test_entries_carry_the_names(crossing):
    assert zipfile.ZipFile(io.BytesIO(archive(crossing))).namelist()[0] == "sperm-001-head.roi"


def test_outline_runs_along_pixel_edges(read_rois, crossing):
    roi = read_rois(crossing)["sperm-001-head"]
    assert roi.roitype == ROI_TYPE.TRACED
    assert sorted(map(tuple, roi.coordinates().tolist())) == [(2, 13), (2, 20), (10, 13), (10, 20)]
    assert (roi.left, roi.top, roi.right, roi.bottom) == (2, 13, 10, 20)


def test_pieces_are_one_composite(read_rois, crossing):
    roi = read_rois(crossing)["sperm-004-tail"]
    assert roi.composite
    left, right = roi.coordinates(multi=True)
    assert sorted(set(map(tuple, left.tolist()))) == [(28, 24), (28, 26), (31, 24), (31, 26)]
    assert right[:, 0].min() == 34


def test_hole_is_a_composite(read_rois):
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    head = Head(Region(ring, 4, 6), 1.0, np.array([6.0, 8.0]), np.array([1.0, 0.0]), 5.0, 5.0)
    roi = read_rois(Result((20, 20), (Sperm(1, head, None, 1.0),), 5.0, "measured"))["sperm-001-head"]
    assert [len(path) for path in roi.coordinates(multi=True)] == [5, 5]


def test_sperm_that_cross_differ_in_colour(read_rois, crossing):
    rois = read_rois(crossing)
    assert rois["sperm-001-head"].stroke_color == rois["sperm-001-tail"].stroke_color
    assert rois["sperm-001-head"].stroke_color != rois["sperm-002-head"].stroke_color


def test_same_result_same_bytes(crossing):
    assert archive(crossing) == archive(crossing)


def test_nothing_found_is_an_empty_zip(blank):
    assert zipfile.ZipFile(io.BytesIO(archive(blank))).namelist() == []
