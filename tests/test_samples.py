import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cascade.samples import orient, over_white, to_rgb, to_uint8


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        (np.uint8, [0, 7, 255], [0, 7, 255]),
        (np.bool_, [False, True], [0, 255]),
        (np.uint16, [0, 4095], [0, 255]),  # a twelve-bit camera
        (np.uint16, [0, 128, 256], [0, 32, 64]),  # ten bits
        (np.uint16, [0, 32768, 65535], [0, 128, 255]),
        (np.uint16, [0, 200], [0, 200]),  # eight bits, kept in sixteen
        (np.uint32, [0, 2**20], [0, 16]),
        (np.int16, [-100, 0, 100], [0, 128, 255]),
        (np.float32, [0.0, 0.5, 1.0], [0, 128, 255]),
        (np.float64, [0.0, 100.0, 255.0], [0, 100, 255]),
        (np.float32, [-1.0, 0.0, 1.0], [0, 128, 255]),
        (np.float32, [0.0, 1e9], [0, 255]),
        (np.float32, [0.0, np.nan, 0.5], [0, 255, 128]),
    ],
)
def test_depths_become_eight_bits(dtype, values, expected):
    assert to_uint8(np.array(values, dtype)).tolist() == expected


def test_depth_that_the_file_states_wins():
    assert to_uint8(np.array([0, 1000], np.uint16), bits=12).tolist() == [0, 62]


def test_depth_that_the_file_misstates_does_not():
    assert to_uint8(np.array([0, 4095], np.uint16), bits=8).tolist() == [0, 255]


@pytest.mark.parametrize("samples", [np.array([1j]), np.array([np.nan])])
def test_samples_without_a_level_are_refused(samples):
    with pytest.raises(ValueError, match="expected"):
        to_uint8(samples)


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([np.uint16, np.int16, np.uint32, np.float32, np.float64]), st.data())
def test_brighter_stays_brighter(dtype, data):
    elements = {"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else {}
    samples = np.sort(data.draw(arrays(dtype, 5, elements=elements)))
    assert (np.diff(to_uint8(samples).astype(int)) >= 0).all()


def test_transparent_shows_white_and_opaque_its_colour():
    red = np.full((1, 3, 3), [200, 0, 0], np.uint8)
    shown = over_white(red, np.array([[0, 255, 51]], np.uint8))
    assert shown.tolist() == [[[255, 255, 255], [200, 0, 0], [244, 204, 204]]]


def test_premultiplied_colours_are_not_multiplied_again():
    shown = over_white(np.full((1, 1, 3), 40, np.uint8), np.array([[51]], np.uint8), premultiplied=True)
    assert shown.tolist() == [[[244, 244, 244]]]


@pytest.mark.parametrize(
    ("shape", "alpha", "expected"),
    [
        ((2,), False, [10, 10, 10]),
        ((2,), True, [251, 251, 251]),
        ((4,), False, [10, 4, 9]),
        ((4,), True, [245] * 3),
    ],
)
def test_further_samples_count_only_as_opacity(shape, alpha, expected):
    samples = np.array([10, 4, 9, 10], np.uint8)[: shape[0]].reshape(1, 1, -1)
    shown = to_rgb(samples, alpha)[0, 0].tolist()
    assert np.abs(np.subtract(shown, expected)).max() <= 1


@pytest.mark.parametrize(
    ("orientation", "corner"),
    # Where the stored top left pixel is shown (row, column) in a 2×3 picture, by the EXIF standard.
    [
        (1, (0, 0)),
        (2, (0, 2)),
        (3, (1, 2)),
        (4, (1, 0)),
        (5, (0, 0)),
        (6, (0, 1)),
        (7, (2, 1)),
        (8, (2, 0)),
        (9, (0, 0)),
    ],
)
def test_stored_corner_is_shown_where_exif_says(orientation, corner):
    stored = np.zeros((2, 3), np.uint8)
    stored[0, 0] = 1
    shown = orient(stored, orientation)
    assert tuple(np.argwhere(shown)[0]) == corner
    assert shown.shape == ((3, 2) if orientation in (5, 6, 7, 8) else (2, 3))
