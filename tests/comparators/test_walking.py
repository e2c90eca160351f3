"""The greedy walk on lines drawn by hand, and what is made of maps with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cascade.comparators.naive import Naive
from cascade.comparators.pieces import MAPS, sperm_of_maps
from cascade.comparators.walking import walk, walks_from
from cascade.geometry import ellipse_axes
from cascade.skeleton import Skeleton, trace
from cascade.types import Head, Region

HEAD_LENGTH = 40.0


def lines(*several: list[tuple[int, int]]) -> Skeleton:
    canvas = np.zeros((200, 300), np.uint8)
    for points in several:
        cv2.polylines(canvas, [np.array(points, np.int32)], False, 1, 3)
    return trace(canvas > 0, 8)


def head_at(x: int, y: int) -> Head:
    canvas = np.zeros((200, 300), np.uint8)
    cv2.ellipse(canvas, (x, y), (20, 13), 0, 0, 360, 1, -1)
    region = Region.from_full(canvas > 0)
    return Head(region, 1.0, *ellipse_axes(region))


def start_near(skeleton: Skeleton, x: float, y: float) -> tuple[int, int]:
    ends = [(b, e) for b in range(len(skeleton.branches)) for e in (0, 1)]
    return min(ends, key=lambda end: float(np.hypot(*(skeleton.branches[end[0]].points[-end[1]] - (x, y)))))


def test_straight_on_at_a_crossing() -> None:
    skeleton = lines([(20, 100), (280, 100)], [(150, 10), (150, 190)])
    points = walk(skeleton, start_near(skeleton, 20, 100), HEAD_LENGTH, 0)
    assert points[-1] == pytest.approx([280, 100], abs=3)
    assert np.abs(points[:, 1] - 100).max() <= 2


def test_a_flat_crossing_shares_a_stretch() -> None:
    skeleton = lines([(10, 80), (290, 120)], [(10, 120), (290, 80)])
    points = walk(skeleton, start_near(skeleton, 10, 80), HEAD_LENGTH, 0)
    assert points[-1] == pytest.approx([290, 120], abs=4)


def test_gaps_are_jumped_ahead_and_not_aside() -> None:
    skeleton = lines([(20, 100), (120, 100)], [(145, 100), (280, 100)], [(125, 120), (125, 190)])
    start = start_near(skeleton, 20, 100)
    assert walk(skeleton, start, HEAD_LENGTH, 30)[-1] == pytest.approx([280, 100], abs=3)
    assert walk(skeleton, start, HEAD_LENGTH, 10)[-1] == pytest.approx([120, 100], abs=3)


def test_a_sharp_bend_ends_the_walk() -> None:
    skeleton = lines([(20, 100), (150, 100)], [(150, 100), (40, 150)], [(150, 100), (60, 40)])
    assert walk(skeleton, start_near(skeleton, 20, 100), HEAD_LENGTH, 0)[:, 0].max() < 155


def test_a_ring_ends() -> None:
    canvas = np.zeros((200, 300), np.uint8)
    cv2.circle(canvas, (150, 100), 60, 1, 3)
    skeleton = trace(canvas > 0)
    assert len(walk(skeleton, (0, 0), HEAD_LENGTH, 5)) <= 500


def test_each_head_gets_the_line_that_leaves_it() -> None:
    skeleton = lines([(75, 60), (280, 60)], [(75, 140), (280, 140)])
    walks = walks_from([head_at(50, 60), head_at(50, 140), head_at(150, 100)], skeleton, HEAD_LENGTH, 0.5)
    assert set(walks) == {0, 1}
    assert walks[0].points[-1] == pytest.approx([280, 60], abs=3)
    assert walks[1].points[-1] == pytest.approx([280, 140], abs=3)


def test_two_heads_do_not_start_at_the_same_end() -> None:
    skeleton = lines([(100, 60), (280, 60)])
    heads = [head_at(76, 60), head_at(100, 84)]
    assert set(walks_from(heads, skeleton, HEAD_LENGTH, 0.5)) == {0}


def test_evidence_decides_which_way() -> None:
    skeleton = lines([(75, 60), (150, 60)], [(10, 60), (26, 60)])
    head = [head_at(50, 60)]
    assert walks_from(head, skeleton, HEAD_LENGTH, 0.5)[0].points[-1, 0] > 140

    def leftwards(points: NDArray[np.float64]) -> float:
        return float(points[-1, 0] < points[0, 0])

    assert walks_from(head, skeleton, HEAD_LENGTH, 0.5, leftwards)[0].points[-1, 0] < 20


def test_no_lines_no_walks() -> None:
    assert walks_from([head_at(50, 60)], trace(np.zeros((200, 300), bool)), HEAD_LENGTH, 0.5) == {}


# --- maps → sperm


def maps_of(drawing) -> NDArray[np.float32]:  # type: ignore[no-untyped-def]
    out = np.zeros((len(MAPS), *drawing.image.shape[:2]), np.float32)
    for parts in drawing.sperm:
        for name, mask in parts.items():
            out[MAPS.index(name)][mask] = 0.9
        out[MAPS.index("head")][parts["acrosome"] | parts["nucleus"]] = 0.9
        out[MAPS.index("flagellum")][parts["midpiece"] | parts["tail"]] = 0.9
    return out


def test_maps_of_crossing_sperm_are_taken_apart(crossing) -> None:  # type: ignore[no-untyped-def]
    found = sperm_of_maps(maps_of(crossing))
    assert len(found) == 2
    for parts in crossing.sperm:
        whole = Region.from_full(np.logical_or.reduce(list(parts.values())))
        best = max(found, key=lambda one: one.parts["tail"].iou(Region.from_full(parts["tail"])))
        assert set(best.parts) == {"acrosome", "nucleus", "midpiece", "tail"}
        union = best.parts["acrosome"]
        for part in best.parts.values():
            union = union.union(part)
        assert union.iou(whole) > 0.85
        assert best.parts["nucleus"].iou(Region.from_full(parts["nucleus"])) > 0.9
        assert best.score == pytest.approx(0.9, abs=0.05)


def test_empty_maps_are_no_sperm() -> None:
    assert sperm_of_maps(np.zeros((len(MAPS), 64, 80), np.float32)) == []
    assert sperm_of_maps(np.ones((len(MAPS), 64, 80), np.float32)) is not None


def test_a_head_without_flagellum_is_a_head(crossing) -> None:  # type: ignore[no-untyped-def]
    maps = maps_of(crossing)
    maps[[MAPS.index(name) for name in ("midpiece", "tail", "flagellum")]] = 0
    found = sperm_of_maps(maps)
    assert [set(one.parts) for one in found] == [{"acrosome", "nucleus"}] * 2
    assert found[0].score < 0.5


# --- naive


def test_naive_finds_what_is_drawn(crossing) -> None:  # type: ignore[no-untyped-def]
    found = Naive().predict(crossing.image)
    assert len(found) == 2
    for parts in crossing.sperm:
        head = Region.from_full(parts["acrosome"] | parts["nucleus"])
        tail = Region.from_full(parts["tail"] | parts["midpiece"])
        best = max(found, key=lambda one: one.parts["head"].iou(head))
        assert best.parts["head"].iou(head) > 0.8
        assert best.parts["tail"].intersection_area(tail) > 0.8 * tail.area


@pytest.mark.parametrize("level", [0, 128, 255])
def test_naive_finds_nothing_in_nothing(level: int) -> None:
    assert Naive().predict(np.full((64, 80, 3), level, np.uint8)) == []
    assert Naive().predict(np.full((1, 1, 3), level, np.uint8)) == []
