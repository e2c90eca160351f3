"""Clustering of tail pixels on lines drawn by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cascade.comparators.con2dis import Con2Dis, affinity, cluster_tails
from cascade.sam.protocol import DenseMaps
from cascade.sam.registry import load_model
from cascade.types import FloatArray

HEAD_LENGTH = 40.0
SHAPE = (240, 320)


def seen(*several: list[tuple[int, int]]) -> DenseMaps:
    canvas = np.zeros(SHAPE, np.uint8)
    for points in several:
        cv2.polylines(canvas, [np.array(points, np.int32)], False, 1, 5)
    nothing = np.zeros(SHAPE, np.float32)
    return DenseMaps(nothing, canvas.astype(np.float32) * 0.9, np.zeros((*SHAPE, 2), np.float32))


def tails(*several: list[tuple[int, int]]) -> list[FloatArray]:
    return [
        tail.centreline for tail in cluster_tails(seen(*several), np.zeros(SHAPE, bool), HEAD_LENGTH, 0.5)
    ]


def test_two_lines_that_cross_are_two_tails() -> None:
    found = tails([(20, 120), (300, 120)], [(160, 15), (160, 225)])
    assert len(found) == 2
    spans = sorted(np.ptp(line, axis=0).round().tolist() for line in found)
    assert spans[0] == pytest.approx([0, 208], abs=8)
    assert spans[1] == pytest.approx([278, 0], abs=8)


def test_three_lines_through_two_crossings() -> None:
    found = tails([(20, 60), (300, 60)], [(20, 180), (300, 180)], [(160, 15), (160, 225)])
    assert sorted(round(float(np.ptp(line, axis=0).max()) / 70) for line in found) == [3, 4, 4]


def test_a_line_alone_is_a_tail_and_nothing_is_none() -> None:
    (line,) = tails([(20, 120), (300, 120)])
    assert np.ptp(line[:, 0]) == pytest.approx(278, abs=6)
    assert tails() == []
    assert tails([(20, 120), (25, 120)]) == []  # shorter than any tail


def test_affinity_wants_all_three() -> None:
    places = np.array([[0.0, 0], [5, 0], [0, 5], [100, 0]])
    level, upright = np.array([1.0, 0]), np.array([0, 1.0])
    ways = np.linalg.norm(places[None] - places[:, None], axis=-1)
    alike = affinity(places, np.array([level, -level, upright, level]), ways, HEAD_LENGTH)
    assert alike[0, 1] > 0.8  # in line, the sign of a direction does not matter
    assert alike[0, 2] == pytest.approx(0, abs=1e-6)  # across
    assert alike[0, 3] == 0  # far
    assert np.allclose(alike, alike.T)
    detour = ways.copy()
    detour[0, 1] = detour[1, 0] = 30
    assert affinity(places, np.array([level] * 4), detour, HEAD_LENGTH)[0, 1] == 0  # not connected


def test_it_runs_where_there_is_nothing() -> None:
    assert Con2Dis(load_model("tiny", "cpu")).predict(np.full((64, 80, 3), 230, np.uint8)) == []
