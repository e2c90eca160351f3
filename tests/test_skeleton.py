"""Skeletons drawn by hand: what is a branch, where lines meet, what is a thorn."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.morphology import skeletonize

from cascade.skeleton import prune, trace


def drawn(text):
    """`#` is line."""
    return np.array([[char == "#" for char in row] for row in text.split()])


def lines(*segments, shape=(80, 120), thickness=1):
    canvas = np.zeros(shape, np.uint8)
    for start, end in segments:
        cv2.line(canvas, start, end, 1, thickness)
    return canvas > 0


def pieces(skeleton):
    """Number of connected pieces."""
    label = list(range(len(skeleton.branches)))
    for ends in skeleton.at_node:
        for (a, _), (b, _) in itertools.pairwise(ends):
            label = [label[a] if one == label[b] else one for one in label]
    return len(set(label))


def test_a_line_is_one_branch_with_two_free_ends():
    skeleton = trace(drawn(".........\n.#######.\n........."))
    (branch,) = skeleton.branches
    assert branch.points.tolist() in (
        [[x, 1] for x in range(1, 8)],
        [[x, 1] for x in range(7, 0, -1)],
    )
    assert branch.length == 7
    assert skeleton.free_ends == 2
    assert np.array_equal(branch.from_end(1), branch.points[::-1])


def test_an_l_is_one_branch():
    skeleton = trace(
        drawn("""
        .......
        .#.....
        .#.....
        .#.....
        .#####.
        .......
    """)
    )
    (branch,) = skeleton.branches
    assert skeleton.free_ends == 2
    assert sorted(branch.points[[0, -1]].tolist()) == [[1, 1], [5, 4]]


T = lines(((10, 40), (90, 40)), ((50, 40), (50, 33)))


def test_a_t_is_three_branches_at_a_junction():
    skeleton = trace(T)
    assert len(skeleton.branches) == 3
    assert skeleton.free_ends == 3
    (junction,) = [k for k, ends in enumerate(skeleton.at_node) if len(ends) > 1]
    assert len(skeleton.at_node[junction]) == 3
    assert skeleton.nodes[junction] == pytest.approx([50, 40], abs=1)


def test_a_spur_is_pruned_and_the_line_runs_through():
    skeleton = trace(T, spur=10)
    (branch,) = skeleton.branches
    assert skeleton.free_ends == 2
    assert sorted(branch.points[[0, -1], 0].tolist()) == [10, 90]
    assert branch.length == pytest.approx(81, abs=2)


def test_a_branch_as_long_as_a_spur_stays():
    assert len(trace(T, spur=5).branches) == 3


@pytest.mark.parametrize("flip", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_a_thorn_near_the_end_of_a_line_leaves_the_longer_of_the_two(flip):
    mask = lines(((10, 40), (60, 40)), ((60, 40), (69, 40)), ((60, 40), (63, 36)))
    (branch,) = trace(mask[:: flip[0], :: flip[1]], spur=20).branches
    assert np.ptp(branch.points[:, 0]) == 69 - 10


def test_a_shallow_crossing_is_four_branches_and_a_connector():
    skeleton = trace(lines(((5, 20), (115, 60)), ((5, 60), (115, 20)), thickness=5))
    free = [[skeleton.is_free(b, end) for end in (0, 1)] for b in range(len(skeleton.branches))]
    assert sorted(map(sum, free)) == [0, 1, 1, 1, 1]
    connector = skeleton.branches[[sum(f) for f in free].index(0)]
    assert connector.length < 20
    assert connector.points.mean(0) == pytest.approx([60, 40], abs=2)
    assert skeleton.free_ends == 4


def test_the_two_lines_of_a_v_stay_two_when_the_thorn_at_their_tip_is_pruned():
    """They end together; that does not make them one line."""
    tip = (60, 60)
    skeleton = trace(lines(((40, 10), tip), ((80, 10), tip), (tip, (60, 66))), spur=12)
    assert len(skeleton.branches) == 2
    assert skeleton.free_ends == 2
    (shared,) = set(skeleton.branches[0].nodes) & set(skeleton.branches[1].nodes)
    assert skeleton.nodes[shared] == pytest.approx(tip, abs=2)


def test_the_short_line_of_a_v_is_no_thorn():
    tip = (60, 60)
    skeleton = trace(lines(((40, 10), tip), ((65, 49), tip), (tip, (60, 66))), spur=15)
    assert sorted(round(branch.length, -1) for branch in skeleton.branches) == [10, 60]


def test_a_ring_is_one_branch_whose_ends_lie_side_by_side():
    canvas = np.zeros((60, 60), np.uint8)
    cv2.circle(canvas, (30, 30), 20, 1, 1)
    skeleton = trace(canvas > 0)
    (branch,) = skeleton.branches
    assert np.linalg.norm(branch.points[0] - branch.points[-1]) < 1.5
    assert np.linalg.norm(branch.points - 30, axis=1) == pytest.approx(20, abs=1)
    assert branch.length == pytest.approx(2 * np.pi * 20, rel=0.1)
    assert skeleton.free_ends == 2


def test_a_ring_with_a_handle_keeps_both():
    canvas = np.zeros((60, 100), np.uint8)
    cv2.circle(canvas, (30, 30), 20, 1, 1)
    cv2.line(canvas, (50, 30), (90, 30), 1)
    skeleton = trace(canvas > 0, spur=5)
    ring, handle = sorted(skeleton.branches, key=lambda b: -b.length)
    assert ring.nodes[0] == ring.nodes[1]
    assert ring.nodes[0] in handle.nodes
    assert skeleton.free_ends == 1


def test_a_single_pixel_is_a_branch_of_one_point():
    skeleton = trace(drawn("...\n.#.\n..."), spur=5)
    (branch,) = skeleton.branches
    assert branch.points.tolist() == [[1, 1]]
    assert branch.length == 1
    assert skeleton.free_ends == 2


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (5, 8)])
def test_an_empty_mask_has_no_branches(shape):
    skeleton = trace(np.zeros(shape, bool), spur=5)
    assert skeleton.branches == []
    assert skeleton.nodes.shape == (0, 2)
    assert skeleton.free_ends == 0


def test_lines_may_reach_the_border():
    (branch,) = trace(np.ones((1, 9), bool)).branches
    assert sorted(branch.points[[0, -1], 0].tolist()) == [0, 8]


masks = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(masks)
def test_every_skeleton_pixel_is_in_one_branch_or_a_junction(mask):
    line = skeletonize(mask)
    neighbours = ndimage.convolve(line.astype(int), np.ones((3, 3), int), mode="constant") - line
    junctions = {(int(x), int(y)) for y, x in zip(*np.nonzero(line & (neighbours > 2)), strict=True)}
    walked = [(int(x), int(y)) for branch in trace(mask).branches for x, y in branch.points]
    assert len(walked) == len(set(walked))
    assert not junctions & set(walked)
    assert junctions | set(walked) == {(int(x), int(y)) for y, x in zip(*np.nonzero(line), strict=True)}


@given(masks)
def test_the_points_of_a_branch_are_neighbours_in_order(mask):
    for branch in trace(mask).branches:
        assert (np.abs(np.diff(branch.points, axis=0)).max(axis=1, initial=0) <= 1).all()


@given(masks, st.floats(1, 10))
def test_pruning_takes_no_piece_away(mask, spur):
    whole = trace(mask)
    pruned = prune(whole, spur)
    assert pieces(pruned) == pieces(whole)
    assert pruned.free_ends <= whole.free_ends


@given(masks, st.floats(1, 10))
def test_branches_and_nodes_name_each_other(mask, spur):
    skeleton = prune(trace(mask), spur)
    named = sorted((b, end) for ends in skeleton.at_node for b, end in ends)
    assert named == [(b, end) for b in range(len(skeleton.branches)) for end in (0, 1)]
    for node, ends in enumerate(skeleton.at_node):
        assert all(skeleton.branches[b].nodes[end] == node for b, end in ends)
