from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascade.errors import ConfigError
from cascade.synthesis import STAINS, SyntheticSmear, synthesize
from cascade.synthesis.canvas import Canvas
from cascade.synthesis.curves import STEP, CurveStyle, follow, trace
from cascade.synthesis.flagella import EDGE, draw_flagellum
from cascade.synthesis.heads import draw_head
from cascade.synthesis.scene import HeadShape, Scene, SceneSperm, sample_scene
from cascade.synthesis.slide import Grime, Slide
from cascade.types import Region

SHAPE = (256, 320)
HEAD = 30.0


@pytest.fixture(scope="module")
def smears() -> list[SyntheticSmear]:
    return [synthesize(seed, SHAPE, HEAD) for seed in range(8)]


CLEAN = Grime(debris=0, mottle=0, haze=0, flecks=0)


def slide(shape: tuple[int, int] = (100, 200), unit: float = 40.0) -> Slide:
    return Slide(
        Canvas(shape, 8), np.random.default_rng(0), STAINS["diff-quik-like"], unit, Grime(1, 0, 0, 0)
    )


def sperm(centreline: list[tuple[float, float]], **changes: object) -> SceneSperm:
    line = np.array(centreline, float)
    values: dict[str, object] = {
        "sperm_id": 1,
        "head": None,
        "centre": line[0],
        "heading": 0.0,
        "centreline": line,
        "strength": np.ones(len(line)),
        "sigma": np.full(len(line), 2.0),
        "midpiece": 20.0,
        "droplet": 0.0,
        "defocus": 0.0,
        "stain_uptake": 1.0,
    }
    return SceneSperm(**(values | changes))  # type: ignore[arg-type]


def ellipse(length: float, width: float, acrosome: float) -> HeadShape:
    return HeadShape(length, width, 0.0, 2.0, np.zeros((2, 3)), acrosome, 0.0, np.zeros((0, 3)))


def test_the_same_arguments_give_the_same_smear() -> None:
    first, second = synthesize(7, SHAPE, HEAD), synthesize(7, SHAPE, HEAD)
    assert np.array_equal(first.image, second.image)
    assert [one.sperm_id for one in first.sperm] == [one.sperm_id for one in second.sperm]
    for one, other in zip(first.sperm, second.sperm, strict=True):
        assert np.array_equal(one.flagellum_centreline, other.flagellum_centreline)
    assert not np.array_equal(first.image, synthesize(8, SHAPE, HEAD).image)


def test_an_image_is_rgb_of_the_shape_asked_for(smears: list[SyntheticSmear]) -> None:
    for smear in smears:
        assert smear.image.shape == (*SHAPE, 3)
        assert smear.image.dtype == np.uint8
        assert smear.stain in STAINS
        assert smear.head_length == HEAD


def test_truth_lies_inside_the_image(smears: list[SyntheticSmear]) -> None:
    for smear in smears:
        for one in smear.sperm:
            parts = (one.head, one.acrosome, one.nucleus, one.midpiece, one.tail, *one.vacuoles)
            for region in parts:
                if region is not None:
                    x0, y0, x1, y1 = region.box
                    assert 0 <= x0 < x1 <= SHAPE[1]
                    assert 0 <= y0 < y1 <= SHAPE[0]
            line = one.flagellum_centreline
            assert (np.rint(line) >= 0).all()
            assert (np.rint(line) < [SHAPE[1], SHAPE[0]]).all()


def test_the_centreline_runs_inside_its_flagellum(smears: list[SyntheticSmear]) -> None:
    checked = 0
    for smear in smears:
        for one in smear.sperm:
            if one.flagellum is None:
                continue
            own = one.flagellum if one.head is None else one.flagellum.union(one.head)
            x, y = np.rint(one.flagellum_centreline).astype(int).T
            assert own.full(SHAPE)[y, x][:-1].all()  # the last sample may round outwards
            checked += 1
    assert checked > 20


def test_parts_of_a_head_make_up_the_head(smears: list[SyntheticSmear]) -> None:
    heads = [one for smear in smears for one in smear.sperm if one.head is not None]
    assert len(heads) > 20
    for one in heads:
        assert one.head is not None
        assert one.has_head
        parts = [part for part in (one.acrosome, one.nucleus) if part is not None]
        assert sum(part.area for part in parts) == one.head.area
        assert all(one.head.intersection_area(part) == part.area for part in (*parts, *one.vacuoles))
        assert one.flagellum is None or one.flagellum.intersection_area(one.head) == 0


def test_flagella_without_a_head_in_view_say_so(smears: list[SyntheticSmear]) -> None:
    headless = [one for smear in smears for one in smear.sperm if not one.has_head]
    assert headless
    assert all(one.head is None and one.flagellum is not None for one in headless)


def test_crossing_flagella_own_the_same_pixels(smears: list[SyntheticSmear]) -> None:
    shared = 0
    for smear in smears:
        flagella = [one.flagellum for one in smear.sperm if one.flagellum is not None]
        shared += sum(a.intersection_area(b) > 0 for i, a in enumerate(flagella) for b in flagella[:i])
    assert shared > 10


def test_heads_scale_with_the_head_length() -> None:
    def median_area(unit: float, shape: tuple[int, int]) -> float:
        areas = [
            one.head.area
            for seed in range(6)
            for one in synthesize(seed, shape, unit).sperm
            if one.head is not None and one.head.x0 > 0 and one.head.box[2] < shape[1]
        ]
        return float(np.median(areas))

    small, large = median_area(20, (200, 250)), median_area(40, (400, 500))
    assert large / small == pytest.approx(4, rel=0.15)


def test_the_same_scene_is_laid_out_at_any_resolution() -> None:
    small = sample_scene(np.random.default_rng(3), (256, 320), 25.0)
    large = sample_scene(np.random.default_rng(3), (512, 640), 50.0)
    assert len(small.sperm) == len(large.sperm) > 0
    for one, other in zip(small.sperm, large.sperm, strict=True):
        np.testing.assert_allclose(other.centre, 2 * one.centre)
        np.testing.assert_allclose(other.centreline, 2 * one.centreline, atol=1e-6)


def test_a_straight_flagellum_is_a_band_split_at_the_midpiece() -> None:
    truth = draw_flagellum(slide(), sperm([(x, 50.0) for x in range(30, 131)]), visible=0.02)
    assert truth.midpiece is not None
    assert truth.tail is not None
    band = int(EDGE * 2.0)
    assert truth.midpiece.box == (30 - band, 50 - band, 50, 50 + band + 1)
    assert truth.tail.box == (50, 50 - band, 130 + band + 1, 50 + band + 1)
    np.testing.assert_array_equal(truth.centreline[[0, -1]], [[30, 50], [130, 50]])


def test_truth_ends_where_the_flagellum_becomes_invisible() -> None:
    line = [(float(x), 50.0) for x in range(30, 131)]
    strength = np.where(np.arange(101) < 60, 1.0, 0.01)
    truth = draw_flagellum(slide(), sperm(line, strength=strength), visible=0.02)
    assert truth.tail is not None
    assert truth.tail.box[2] == 90
    assert truth.centreline[-1, 0] == 89


def test_an_invisible_flagellum_has_no_truth() -> None:
    line = [(float(x), 50.0) for x in range(30, 131)]
    truth = draw_flagellum(slide(), sperm(line, strength=np.zeros(101)), visible=0.02)
    assert truth.midpiece is None
    assert truth.tail is None
    assert truth.centreline.shape == (0, 2)


def test_a_flagellum_outside_the_picture_has_no_truth() -> None:
    truth = draw_flagellum(slide(), sperm([(float(x), -60.0) for x in range(101)]), visible=0.02)
    assert truth.midpiece is None
    assert truth.tail is None


def test_densities_add_where_flagella_cross() -> None:
    field = slide()
    draw_flagellum(field, sperm([(float(x), 50.0) for x in range(20, 181)], midpiece=0.0), visible=0.02)
    once = field.canvas.picture()[50, 100].copy()
    draw_flagellum(field, sperm([(100.0, float(y)) for y in range(10, 91)], midpiece=0.0), visible=0.02)
    np.testing.assert_allclose(field.canvas.picture()[50, 100], 2 * once, rtol=1e-3, atol=1e-6)
    assert once.max() == pytest.approx(STAINS["diff-quik-like"].tail.max(), rel=0.01)


def test_an_elliptic_head_has_the_ellipse_s_area_and_its_acrosome_in_front() -> None:
    shape = ellipse(40, 24, 0.5)
    truth = draw_head(slide(), sperm([(100, 50), (101, 50)], centre=np.array([100.0, 50.0])), shape)
    assert truth.head is not None
    assert truth.acrosome is not None
    assert truth.nucleus is not None
    assert truth.head.area == pytest.approx(np.pi * 20 * 12, rel=0.02)
    assert truth.head.box == (80 + 1, 38 + 1, 120, 62)
    assert truth.acrosome.x0 > 100 >= truth.nucleus.box[2] - 1


def test_a_head_without_acrosome_is_all_nucleus() -> None:
    one = sperm([(100, 50), (101, 50)], centre=np.array([100.0, 50.0]))
    truth = draw_head(slide(), one, ellipse(40, 24, 0.0))
    assert truth.acrosome is None
    assert truth.head is not None
    assert truth.nucleus is not None
    assert truth.head.area == truth.nucleus.area


@pytest.mark.parametrize("stain", sorted(STAINS))
def test_every_stain_draws_heads_darker_than_the_slide(stain: str) -> None:
    smear = synthesize(1, SHAPE, HEAD, stain)
    assert smear.stain == stain
    nuclei = np.zeros(SHAPE, bool)
    for one in smear.sperm:
        nuclei |= one.nucleus.full(SHAPE) if one.nucleus is not None else False
    assert nuclei.any()
    green = smear.image[..., 1].astype(float)
    least = 15 if STAINS[stain].halo else 25  # nothing took a dye
    assert np.median(green[nuclei]) < np.median(green) - least


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: synthesize(-1), "seed must be 0 or more, got -1"),
        (lambda: synthesize(0, stain="ink"), "stain must be one of .* got 'ink'"),
        (lambda: synthesize(0, (4, 100)), "at least 16 × 16"),
        (lambda: synthesize(0, SHAPE, 1.0), "head length of 4 px"),
    ],
)
def test_wrong_arguments_are_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_scene_without_sperm_has_no_truth() -> None:
    scene = sample_scene(np.random.default_rng(0), SHAPE, HEAD, count=0)
    assert scene.sperm == ()
    assert isinstance(scene, Scene)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    direction=st.floats(-3.1, 3.1),
    length=st.floats(0.5, 12),
    bend=st.floats(0, 1.5),
)
def test_a_traced_curve_has_its_length_start_and_direction(
    seed: int, direction: float, length: float, bend: float
) -> None:
    start = np.array([3.0, -2.0])
    line = trace(np.random.default_rng(seed), start, direction, length, CurveStyle(bend, 0.5, 0.1))
    steps = np.diff(line, axis=0)
    np.testing.assert_array_equal(line[0], start)
    np.testing.assert_allclose(np.hypot(*steps.T), STEP, rtol=1e-9)
    np.testing.assert_allclose(steps[0] / STEP, [np.cos(direction), np.sin(direction)], atol=1e-9)
    assert len(line) == pytest.approx(length / STEP, abs=1.01)


def test_constant_curvature_closes_a_circle() -> None:
    radius = 0.5
    line = follow(np.zeros(2), 0.0, np.full(round(2 * np.pi * radius / STEP) + 1, 1 / radius))
    assert np.hypot(*line[-1]) < 0.03
    np.testing.assert_allclose(np.ptp(line, axis=0), 2 * radius, atol=0.03)


@settings(deadline=None, max_examples=40)
@given(x=st.integers(-30, 130), y=st.integers(-30, 90))
def test_a_canvas_cuts_regions_to_the_picture(x: int, y: int) -> None:
    canvas = Canvas((60, 100), 5)
    region = canvas.region(np.ones((10, 10), bool), x, y)
    width, height = min(x + 10, 100) - max(x, 0), min(y + 10, 60) - max(y, 0)
    if width <= 0 or height <= 0:
        assert region is None
    else:
        assert isinstance(region, Region)
        assert region.box == (max(x, 0), max(y, 0), max(x, 0) + width, max(y, 0) + height)


def test_nothing_under_a_label_has_truth() -> None:
    canvas = Canvas((60, 100), 5, hidden=(80, 50, 100, 60))
    region = canvas.region(np.ones((20, 40), bool), 70, 45)
    assert region is not None
    assert region.full((60, 100))[45:60, 70:100].sum() == 15 * 30 - 10 * 20
    assert canvas.visible(np.array([[79.4, 55], [79.6, 55], [99, 49], [-0.6, 3]])).tolist() == [
        True,
        False,
        True,
        False,
    ]
