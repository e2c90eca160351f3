"""Which way lines go on: straight through crossings, over gaps, never from head to head."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cascade.affinity import end_affinity
from cascade.necks import Neck
from cascade.sam.protocol import DenseMaps
from cascade.skeleton import Branch, Skeleton, trace
from cascade.tracing import Tracer
from cascade.walks import find_walks
from cascade.weights import LinkWeights

HL = 40.0
SHAPE = (120, 200)
OTHERS = LinkWeights(across_gap={"filled": -2.0})
"""What is seen in a gap speaks against going on."""
EASY = 0.02
"""A least score so low that the best total alone decides."""


def lines(*segments, thickness=1):
    canvas = np.zeros(SHAPE, np.uint8)
    for start, end in segments:
        cv2.line(canvas, start, end, 1, thickness)
    return canvas > 0


def tracer(mask, seen=None, direction=None, heads=(), gap=0.7 * HL, **more):
    """A tracer on a drawn mask; `seen`: probability of flagellum, `heads`: centres of 16 px discs."""
    skeleton = trace(mask, spur=8)
    count = len(skeleton.branches)
    tail = mask.astype(float) if seen is None else seen
    direction = np.zeros((*mask.shape, 2)) if direction is None else direction
    more = {"affinity": np.full((count, 2, count, 2), np.nan), **more}
    maps = DenseMaps(np.zeros(mask.shape), tail, direction)
    necks = [
        Neck(number, np.array([x + 8 * side, y], float), np.array([side, 0.0]), 0.0)
        for number, (x, y) in enumerate(heads)
        for side in (-1, 1)
    ]
    return Tracer(skeleton, maps, HL, gap=gap, necks=necks, **more)


def ends(walk):
    """Both ends of a walk, the left one first, to the nearest ten pixels."""
    return tuple(sorted(tuple(int(v) for v in (np.round(walk.points[end] / 10) * 10)) for end in (0, -1)))


def all_ends(walks):
    return {ends(walk) for walk in walks}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (((60, 20), (140, 100)), ((60, 100), (140, 20))),
        (((20, 30), (180, 90)), ((20, 90), (180, 30))),
        (((10, 60), (190, 60)), ((70, 10), (130, 110))),
    ],
)
@pytest.mark.parametrize("thickness", [1, 5])
def test_a_crossing_is_two_lines_straight_through(first, second, thickness):
    walks = find_walks(tracer(lines(first, second, thickness=thickness)), EASY)
    assert all_ends(walks) == {tuple(sorted(first)), tuple(sorted(second))}


@pytest.mark.parametrize("flip", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
def test_lines_that_cross_at_a_shallow_angle_share_the_connector(flip):
    mask = lines(((20, 30), (180, 90)), ((20, 90), (180, 30)), thickness=5)
    crossing = tracer(mask[:: flip[0], :: flip[1]])
    (connector,) = np.flatnonzero(crossing.connectors)
    for walk in find_walks(crossing, EASY):
        assert connector in walk.branches
        assert len(walk.branches) == 3
        assert (np.diff(walk.points[:, 0]) >= 0).all() or (np.diff(walk.points[:, 0]) <= 0).all()


def test_three_lines_through_one_point_go_straight_on():
    fan = [((20, 60), (180, 60)), ((60, 10), (140, 110)), ((60, 110), (140, 10))]
    walks = find_walks(tracer(lines(*fan)), EASY)
    assert all_ends(walks) == {tuple(sorted(line)) for line in fan}


BROKEN = lines(((20, 60), (90, 60)), ((110, 60), (180, 60)))
"""One line with a gap of 20 px: half a head length."""
WHOLE, LEFT, RIGHT = ((20, 60), (180, 60)), ((20, 60), (90, 60)), ((110, 60), (180, 60))


def test_a_gap_between_aligned_ends_is_bridged():
    assert all_ends(find_walks(tracer(BROKEN), EASY)) == {WHOLE}


def test_a_line_does_not_turn_back_along_its_neighbour():
    """Two lines end a few pixels apart, side by side: only a hairpin would join them."""
    hairpin = lines(((40, 56), (150, 56)), ((40, 64), (150, 64)))
    assert len(find_walks(tracer(hairpin), 1e-5)) == 2


@pytest.mark.parametrize(("shift", "walks"), [(0, 2), (20, 1)])
def test_a_line_that_leaves_the_picture_goes_on_nowhere(shift, walks):
    """Two aligned lines, along the border or 20 px from it."""
    x = SHAPE[1] - 1 - shift
    beside = lines(((x, 10), (x, 50)), ((x, 65), (x, 110)))
    assert len(find_walks(tracer(beside), EASY)) == walks


def drawn(*lines_):
    """Lines as a skeleton's branches with free ends, a point a pixel."""
    branches = [Branch(np.array(line, float), (2 * i, 2 * i + 1)) for i, line in enumerate(lines_)]
    nodes = np.array([branch.points[end] for branch in branches for end in (0, -1)])
    return Skeleton(branches, nodes, [[(i, end)] for i in range(len(branches)) for end in (0, 1)])


@pytest.mark.parametrize("share", [True, False])
def test_a_tail_runs_on_along_another_where_two_lie_on_each_other(share):
    """One runs along y = 60; another comes from above, lies on it from x = 70 to 130, and leaves it below."""
    along = [(x, 60) for x in range(10, 190)]
    comes = [(x, 60 - (68 - x) / 3) for x in range(20, 69)]
    leaves = [(x, 60 + (x - 132) / 3) for x in range(132, 181)]
    skeleton = drawn(along, comes, leaves)
    empty = DenseMaps(np.zeros(SHAPE), np.zeros(SHAPE), np.zeros((*SHAPE, 2)))
    one = Tracer(skeleton, empty, HL, np.full((3, 2, 3, 2), np.nan), gap=0.7 * HL, share=share)
    joined = [walk for walk in find_walks(one, 0.3) if {1, 2} <= walk.branches]
    assert len(joined) == share
    for walk in joined:
        assert walk.branches == {1, 2}
        assert (walk.points[60:100, 1] == 60).all()  # along the line it lies on


@pytest.mark.parametrize(("gap", "bridged"), [(19, False), (21, True)])
def test_gaps_are_bridged_up_to_the_longest(gap, bridged):
    assert all_ends(find_walks(tracer(BROKEN, gap=gap), EASY)) == ({WHOLE} if bridged else {LEFT, RIGHT})


def test_what_is_seen_in_a_gap_is_anothers():
    """Had it been this line's, the gap would be none."""
    faint = np.where(BROKEN, 1.0, 0.4)
    (nothing,) = tracer(BROKEN, weights=OTHERS).links((0, 1))
    (something,) = tracer(BROKEN, seen=faint, weights=OTHERS).links((0, 1))
    assert something.score < nothing.score


def test_a_line_as_dark_goes_on_rather_than_a_paler_one():
    """Two lines across the gap, one above and one below, both as far off; only one is as dark."""
    mask = lines(((20, 60), (90, 60)), ((104, 56), (180, 50)), ((104, 64), (180, 70)))
    for dark_rows, want in ((slice(0, 62), 56), (slice(58, 120), 64)):
        dark = np.full(SHAPE, 30.0)
        dark[dark_rows] = 120
        one = tracer(mask, dark=dark)
        branches = one.skeleton.branches
        left = next(i for i, branch in enumerate(branches) if branch.points[:, 0].max() < 100)
        to, end = one.links((left, int(np.argmax(branches[left].points[[0, -1], 0]))))[0].to
        assert branches[to].from_end(end)[0, 1] == want


def test_ends_that_are_not_aligned_are_not_joined():
    """The second line begins 20 px beyond the first one's end, and turns back at a right angle."""
    bent = tracer(lines(((20, 60), (90, 60)), ((106, 72), (90, 115))))
    assert len(find_walks(bent, 0.4)) == 2


def pointing(left, right):
    """Direction maps whose x component is `left` on the left half and `right` on the right."""
    direction = np.zeros((*SHAPE, 2))
    direction[:, :100, 0], direction[:, 100:, 0] = left, right
    return direction


def test_opposing_directions_towards_the_heads_stop_a_link():
    """A tail cannot have a head to the left of here and to the right of there."""
    one_way, apart = tracer(BROKEN, direction=pointing(-1, -1)), tracer(BROKEN, direction=pointing(-1, 1))
    (agree,), (oppose,) = one_way.links((0, 1)), apart.links((0, 1))
    assert agree.score > oppose.score
    between = (agree.score + oppose.score) / 2
    assert all_ends(find_walks(one_way, between)) == {WHOLE}
    assert all_ends(find_walks(apart, between)) == {LEFT, RIGHT}


def test_directions_may_be_left_aside():
    apart = tracer(BROKEN, direction=pointing(-1, 1), use_direction=False)
    assert apart.links((0, 1))[0].score == tracer(BROKEN).links((0, 1))[0].score


@pytest.mark.parametrize(
    ("heads", "want"),
    [
        ([], {WHOLE}),
        ([(10, 60)], {WHOLE}),
        ([(190, 60)], {WHOLE}),
        ([(10, 60), (190, 60)], {LEFT, RIGHT}),
    ],
)
def test_a_walk_from_head_to_head_is_cut(heads, want):
    assert all_ends(find_walks(tracer(BROKEN, heads=heads), EASY)) == want


def test_a_walk_from_head_to_head_is_cut_at_its_weakest_link():
    """Two gaps; in the second something is seen that is not the line's."""
    mask = lines(((20, 60), (70, 60)), ((80, 60), (120, 60)), ((130, 60), (180, 60)))
    seen = mask.astype(float)
    seen[60, 120:130] = 0.8
    walks = find_walks(tracer(mask, seen=seen, heads=[(10, 60), (190, 60)], weights=OTHERS), EASY)
    assert all_ends(walks) == {((20, 60), (120, 60)), ((130, 60), (180, 60))}


def test_a_closed_end_goes_no_further():
    broken = tracer(BROKEN)
    left = next(i for i, b in enumerate(broken.skeleton.branches) if b.points[:, 0].max() < 100)
    inner = int(np.argmax(broken.skeleton.branches[left].points[[0, -1], 0]))
    assert all_ends(find_walks(tracer(BROKEN, closed=frozenset({(left, inner)})), EASY)) == {LEFT, RIGHT}
    assert all_ends(find_walks(tracer(BROKEN, closed=frozenset({(left, 1 - inner)})), EASY)) == {WHOLE}


FORK = lines(((20, 60), (100, 60)), ((100, 60), (180, 30)), ((100, 60), (180, 90)))


@pytest.mark.parametrize("arm", [(180, 30), (180, 90)])
def test_at_a_fork_the_models_masks_decide(arm):
    plain = tracer(FORK)
    branches = plain.skeleton.branches
    own = [i for i, b in enumerate(branches) if any(np.allclose(p, arm) or p[0] < 99 for p in b.points)]
    affinity = np.full((3, 2, 3, 2), 0.05)
    affinity[np.ix_(own, (0, 1), own, (0, 1))] = 0.95
    walks = find_walks(tracer(FORK, affinity=affinity), EASY)
    assert ((20, 60), arm) in all_ends(walks)
    assert len(walks) == 2


def test_a_sure_link_is_more_certain_than_one_with_a_rival():
    (alone,) = find_walks(tracer(BROKEN), EASY)
    forked = max(find_walks(tracer(FORK), EASY), key=lambda walk: len(walk.branches))
    assert 0 < forked.links[0] < alone.links[0] < 1


def test_a_ring_is_one_walk():
    canvas = np.zeros(SHAPE, np.uint8)
    cv2.circle(canvas, (100, 60), 40, 1, 1)
    (walk,) = find_walks(tracer(canvas > 0), EASY)
    assert len(walk.branches) == 1


def test_nothing_seen_nothing_walked():
    assert find_walks(tracer(np.zeros(SHAPE, bool)), EASY) == []


masks = arrays(bool, st.just((12, 16)), elements=st.booleans(), fill=st.nothing())


def untangled(mask):
    """A tracer for little pictures, every line longer than a connector."""
    skeleton = trace(mask)
    count = len(skeleton.branches)
    maps = DenseMaps(np.zeros(mask.shape), mask.astype(float), np.zeros((*mask.shape, 2)))
    return Tracer(skeleton, maps, 4.0, np.full((count, 2, count, 2), np.nan), gap=5.0)


@given(masks)
def test_every_branch_is_walked_once(mask):
    """All but connectors, which no line need walk and several may."""
    one = untangled(mask)
    walked = [
        branch for walk in find_walks(one, 0.3) for branch, _ in walk.steps if not one.connectors[branch]
    ]
    assert sorted(walked) == [i for i in range(len(one.skeleton.branches)) if not one.connectors[i]]


@given(masks)
def test_walks_do_not_hang_on_chance(mask):
    first, second = find_walks(untangled(mask), 0.3), find_walks(untangled(mask), 0.3)
    assert [walk.steps for walk in first] == [walk.steps for walk in second]
    assert [walk.links for walk in first] == [walk.links for walk in second]


def test_affinity_is_the_mean_over_prompts_weighted_by_their_scores():
    """Two prompts at end 0 of branch 0, one for both ends of branch 1; end 1 of branch 0 was not asked."""
    coverage = np.zeros((3, 2, 2))
    coverage[0, 1], coverage[1, 1], coverage[2, 0] = 1.0, 0.2, 0.5
    asked = [((0, 0),), ((0, 0),), ((1, 0), (1, 1))]
    affinity, quality = end_affinity(2, asked, coverage, np.array([0.9, 0.3, 0.6]))
    assert affinity.shape == (2, 2, 2, 2)
    assert affinity[0, 0, 1] == pytest.approx([0.8, 0.8])
    assert affinity[1, :, 0] == pytest.approx(np.full((2, 2), 0.5))
    assert np.isnan(affinity[0, 1]).all()
    assert quality == pytest.approx([(0.9**2 + 0.3**2) / 1.2, 0.6])


def test_branches_not_asked_about_have_no_affinity():
    affinity, quality = end_affinity(2, [], np.zeros((0, 2, 2)), np.zeros(0))
    assert np.isnan(affinity).all()
    assert np.isnan(quality).all()
