"""What a field of view is like, measured on drawn heads and lines, and what is said about it."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cascade.config import NotesConfig
from cascade.field import Field, measure_field, notes_on
from cascade.geometry import ellipse_axes
from cascade.skeleton import trace
from cascade.types import Head, Region, Tail

HL = 60.0
SHAPE = (300, 400)
LIGHT = np.full((3, 4, 3), 220.0, np.float32)
CENTRES = ((80, 80), (220, 90), (330, 200))
GOOD = Field(
    edge_hl=0.1,
    head_density=0.3,
    tail_density=0.03,
    tail_contrast=20.0,
    light=220.0,
    unevenness=0.02,
    flagellum=0.4,
    left=0.05,
    crossings=0.2,
)


def drawn(blur=0.0, depth=100.0, noise=0.0):
    """`(dark, heads)`: three ellipses `depth` grey levels darker than the background, 60 pixels long."""
    dark, heads = np.full(SHAPE, 15, np.float32), []
    for centre in CENTRES:
        mask = np.zeros(SHAPE, np.uint8)
        cv2.ellipse(mask, (centre, (HL, 36), 20), 1, -1)
        dark += depth * mask
        region = Region.from_full(mask > 0)
        heads.append(Head(region, 0.9, *ellipse_axes(region)))
    if blur:
        dark = cv2.GaussianBlur(dark, (0, 0), blur)
    return dark + np.random.default_rng(1).normal(0, noise, SHAPE).astype(np.float32), heads


def line_at(y, x0=20, x1=380):
    points = np.stack([np.arange(x0, x1 + 1.0), np.full(x1 - x0 + 1, float(y))], -1)
    return Tail(Region(np.zeros((0, 0), bool), 0, 0), 0.9, points, 3.0)


def measured(dark, heads=(), tails=(), skeleton=None):
    return measure_field(LIGHT, dark, heads, tails, skeleton, HL)


@pytest.mark.parametrize("sigma", [3.0, 4.5, 6.0])
def test_the_edge_of_a_blurred_head_is_as_wide_as_its_blur(sigma):
    edge = measured(*drawn(sigma)).edge_hl
    assert edge == pytest.approx(np.sqrt(2 * np.pi) * sigma / HL, rel=0.2)  # of a step under a Gaussian


def test_width_hangs_on_neither_stain_nor_magnification():
    dark, heads = drawn(4.0)
    faint, _ = drawn(4.0, depth=40)
    edge = measured(dark, heads).edge_hl
    assert measured(faint, heads).edge_hl == pytest.approx(edge, rel=0.02)
    shape = (2 * SHAPE[1], 2 * SHAPE[0])
    larger = []
    for head in heads:
        full = cv2.resize(head.region.full(SHAPE).astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST)
        region = Region.from_full(full > 0)
        larger.append(Head(region, 0.9, *ellipse_axes(region)))
    twice = measure_field(LIGHT, cv2.resize(dark, shape), larger, [], None, 2 * HL)
    assert twice.edge_hl == pytest.approx(edge, rel=0.1)


def test_density_and_contrast_are_those_drawn():
    dark, heads = drawn(noise=2.0)
    tails = [line_at(y) for y in (260, 270, 280)]
    for tail in tails:
        dark[tail.centreline[0, 1].astype(int), 20:381] += 30
    field = measured(dark, heads, tails)
    assert field.head_density == pytest.approx(np.log10(240 / 140), abs=0.01)
    assert field.tail_density == pytest.approx(np.log10(240 / 210), abs=0.01)
    assert field.tail_contrast == pytest.approx(30 / 2, rel=0.1)


def test_what_belongs_to_no_tail_is_left():
    mask = np.zeros(SHAPE, bool)
    mask[100, 20:381] = mask[200, 20:381] = True
    field = measured(np.full(SHAPE, 15, np.float32), tails=[line_at(100)], skeleton=trace(mask))
    assert field.left == pytest.approx(0.5, abs=0.01)
    assert field.crossings == 0
    assert field.flagellum == pytest.approx(2 * 361 / HL / (300 * 400 / HL**2), rel=0.02)


def test_lines_that_meet_are_counted():
    mask = np.zeros(SHAPE, bool)
    mask[100, 20:381] = mask[20:280, 200] = True
    field = measured(np.full(SHAPE, 15, np.float32), skeleton=trace(mask))
    assert field.crossings == pytest.approx(HL / (361 + 260), rel=0.05)


def test_uneven_light_is_measured():
    ramp = np.linspace(100, 200, 64, dtype=np.float32)[None, :, None].repeat(48, 0).repeat(3, 2)
    field = measure_field(ramp, np.full(SHAPE, 15, np.float32), [], [], None, HL)
    assert field.light == pytest.approx(150, abs=2)
    assert field.unevenness == pytest.approx(96 / 150, abs=0.03)


def test_an_empty_field_is_unknown_not_bad():
    field = measured(np.full(SHAPE, 15, np.float32))
    assert (field.edge_hl, field.head_density, field.tail_contrast, field.left) == (None,) * 4
    assert [note.kind for note in notes_on(field, 0, NotesConfig())] == ["nothing found"]


def test_a_head_over_the_border_is_measured():
    region = Region(np.ones((30, 50), bool), -20, 280)
    head = Head(region, 0.9, *ellipse_axes(region))
    assert measured(drawn(3.0)[0], [head, head]).head_density is not None


def test_a_good_field_gets_no_note():
    assert notes_on(GOOD, 5, NotesConfig()) == ()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("out of focus", {"edge_hl": 0.2}),
        ("faint", {"tail_contrast": 4.0}),
        ("overstained", {"head_density": 0.7}),
        ("tangled", {"flagellum": 1.3}),
        ("overexposed", {"light": 254.0}),
        ("underexposed", {"light": 12.0}),
    ],
)
def test_each_fault_has_its_note_and_says_what_to_do(kind, change):
    (note,) = notes_on(replace(GOOD, **change), 5, NotesConfig())
    assert note.kind == kind
    assert note.text.startswith(f"{kind}: ")
    assert ";" in note.text  # what to expect; what to do


def test_limits_are_those_of_the_configuration():
    assert notes_on(GOOD, 5, NotesConfig(max_edge_hl=0.09))[0].kind == "out of focus"
