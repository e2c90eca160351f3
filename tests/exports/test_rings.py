import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cascade.exports.rings import polygons
from cascade.types import Region


def region(*rows, x0=0, y0=0):
    return Region(np.array([[c == "#" for c in row] for row in rows]), x0, y0)


def signed_area(ring):
    x, y = np.array(ring).T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


def fill(pieces, shape):
    """Pixels with an odd number of ring edges to their left, however the rings are nested."""
    inside = np.zeros(shape, int)
    for ring in (ring for piece in pieces for ring in piece):
        for (xa, ya), (xb, yb) in zip(ring, [*ring[1:], ring[0]], strict=True):
            if xa == xb:
                inside[min(ya, yb) : max(ya, yb), xa:] += 1
    return inside % 2 == 1


def test_one_pixel():
    assert polygons(region("#", x0=3, y0=5)) == [[[(3, 5), (4, 5), (4, 6), (3, 6)]]]


def test_straight_runs_are_one_step():
    (piece,) = polygons(region("###", "###"))
    assert sorted(piece[0]) == [(0, 0), (0, 2), (3, 0), (3, 2)]


def test_hole():
    ((outer, hole),) = polygons(region("###", "#.#", "###"))
    assert signed_area(outer) == 9
    assert signed_area(hole) == -1


def test_pixels_that_touch_at_a_corner_are_two_pieces():
    assert len(polygons(region("#.", ".#"))) == 2


def test_hole_that_touches_the_outside_at_a_corner_is_a_hole():
    ((outer, hole),) = polygons(region("####", "#.##", "##.."))
    assert (2, 2) in outer
    assert (2, 2) in hole
    assert (signed_area(outer), signed_area(hole)) == (10, -1)


def test_nothing():
    assert polygons(Region(np.zeros((0, 0), bool), 0, 0)) == []
    assert polygons(region("..")) == []


@settings(deadline=None, max_examples=200)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(-5, 5), st.integers(-5, 5))
def test_polygons_hold_exactly_the_region_and_are_valid(mask, x0, y0):
    pieces = polygons(Region(mask, x0, y0))
    shifted = [[[(x - x0, y - y0) for x, y in ring] for ring in piece] for piece in pieces]
    assert np.array_equal(fill(shifted, mask.shape), mask)
    assert sum(signed_area(ring) for piece in pieces for ring in piece) == mask.sum()
    for outer, *holes in pieces:
        assert signed_area(outer) > 0
        assert all(signed_area(hole) < 0 for hole in holes)
        for ring in (outer, *holes):
            assert len(set(ring)) == len(ring) >= 4  # touches itself nowhere
            turns = np.diff(np.array([*ring, ring[0]]), axis=0)
            assert ((turns != 0).sum(1) == 1).all()  # along pixel edges
            assert (turns * np.roll(turns, 1, axis=0)).sum() == 0  # no corner on a straight run
