"""Whole runs: drawn fields with a model that knows the truth, and one smear with the model that ships."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drawn_field import CROSSING, LENGTH, SHAPE, Drawn, Recording, TruthModel, fixed, pairs, picture, swimming
from PIL import Image
from scipy.special import logit

from cascade.config import CS3Config, KnotsConfig, PreprocessConfig
from cascade.errors import ImageError
from cascade.matching import fitting
from cascade.pipeline import Trace, segment
from cascade.sam.registry import load_model
from cascade.synthesis import synthesize

FIELD = picture(CROSSING)
MODEL = TruthModel(CROSSING)
BLANK = np.full((*SHAPE, 3), 240, np.uint8)


def same(first, second):
    """Whether two results name the same sperm with the same pixels."""
    return len(first.sperm) == len(second.sperm) and all(
        a.sperm_id == b.sperm_id
        and a.score == b.score
        and a.region.box == b.region.box
        and np.array_equal(a.region.mask, b.region.mask)
        for a, b in zip(first.sperm, second.sperm, strict=True)
    )


def test_two_sperm_whose_tails_cross_are_told_apart():
    result = segment(FIELD, model=MODEL)
    assert [sperm.complete for sperm in result.sperm] == [True, True]
    assert [sperm.sperm_id for sperm in result.sperm] == [1, 2]
    truth = np.array([(one.head, one.end) for one in CROSSING])
    assert pairs(result) == pytest.approx(truth, abs=6)
    assert result.shape == SHAPE
    assert (result.model, result.model_sha256) == ("truth", "f" * 64)


@pytest.mark.parametrize(("join", "more"), [(True, 2.0), (False, 0.0)])
def test_whole_tails_in_view_have_heads_where_pieces_are_joined(join, more):
    trace = Trace()
    config = CS3Config().changed(looks={"enabled": False}, joining={"enabled": join})
    result = segment(FIELD, model=MODEL, config=config, trace=trace)
    plain = fitting(trace.heads, trace.tails, result.head_length, config.matching, trace.views)
    odds = {(pair.head, pair.tail): logit(pair.score) for pair in trace.pairs}
    assert len(plain) == 2
    assert odds == pytest.approx({place: logit(pair.score) + more for place, pair in plain.items()})
    assert {place: pair.score for place, pair in trace.fits.items()} == {
        place: pair.score for place, pair in plain.items()
    }  # so that a second tail is not surer for it


def test_tails_that_cross_may_own_the_same_pixels_heads_never_their_tails():
    first, second = segment(FIELD, model=MODEL).sperm
    assert first.tail.region.intersection_area(second.tail.region) > 0
    for sperm in (first, second):
        assert sperm.tail.region.intersection_area(sperm.head.region) == 0
        assert sperm.tail.centreline[0] == pytest.approx(sperm.head.centre, abs=LENGTH / 2 + 1)


def test_a_model_without_maps_works_by_whitening():
    result = segment(FIELD, model=TruthModel(CROSSING, dense=False))
    truth = np.array([(one.head, one.end) for one in CROSSING])
    assert pairs(result) == pytest.approx(truth, abs=6)


def test_the_published_setting_runs():
    result = segment(FIELD, model=MODEL, config=CS3Config.paper())
    assert sum(sperm.head is not None for sperm in result.sperm) == 2
    assert sum(sperm.tail is not None for sperm in result.sperm) >= 2


def looks_at_the_field(encode, dense=True):
    """How often the whole field was encoded, and what came of it."""
    preprocess = PreprocessConfig(encode=encode, head_length_px=30)
    model = Recording(CROSSING, dense=dense)
    result = segment(FIELD, model=model, config=CS3Config(preprocess=preprocess))
    return sum(shape == SHAPE for shape in model.shapes), result


def test_one_look_at_the_field_serves_every_round():
    once, result = looks_at_the_field("once")
    again, painted = looks_at_the_field("every round")
    assert once == 1
    assert again > 2
    assert pairs(result) == pytest.approx(pairs(painted), abs=3)


def test_by_itself_only_a_model_without_maps_looks_again():
    assert looks_at_the_field("auto")[0] == 1
    assert looks_at_the_field("auto", dense=False)[0] > 2
    assert looks_at_the_field("once", dense=False)[0] == 1


def test_what_stays_alone_is_kept():
    alone = (Drawn((80, 60)), Drawn(None, (200, 150), (420, 230)))
    head, tail = segment(picture(alone), model=TruthModel(alone)).sperm
    assert (head.complete, tail.complete) == (False, False)
    assert head.tail is None
    assert tail.head is None


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("noise", [0, 2])
def test_a_blank_field_is_an_empty_result(dense, noise):
    grain = np.random.default_rng(0).normal(0, noise, BLANK.shape)
    blank = np.clip(225 + grain, 0, 255).round().astype(np.uint8)
    result = segment(blank, model=TruthModel(CROSSING, dense))
    assert result.sperm == ()
    assert result.shape == SHAPE
    assert result.head_length_source == "image width"


@pytest.mark.parametrize("shape", [(1, 1), (17, 3000), (3000, 17), (2, 5)])
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("level", [0, 240])
def test_pictures_of_any_size_are_taken(shape, dense, level):
    result = segment(np.full((*shape, 3), level, np.uint8), model=TruthModel(CROSSING, dense))
    assert result.shape == shape


def test_a_tail_along_a_narrow_picture_is_found():
    swimmer = (swimming((60, 8), (900, 8)),)
    result = segment(picture(swimmer, (17, 3000)), model=TruthModel(swimmer), config=fixed(30.0))
    assert [sperm.complete for sperm in result.sperm] == [True]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 12), np.uint8),
        np.zeros((10, 12, 4), np.uint8),
        np.zeros((10, 12, 3), np.float32),
        np.zeros((10, 12, 3), np.uint16),
        np.zeros((0, 12, 3), np.uint8),
        np.zeros((2, 10, 12, 3), np.uint8),
    ],
)
def test_an_array_of_another_form_is_an_image_error(image):
    with pytest.raises(ImageError, match=r"expected a \(height, width, 3\) RGB uint8 array, found"):
        segment(image, model=MODEL)


def test_an_array_is_left_as_it_was():
    image = FIELD.copy()
    image.setflags(write=False)
    segment(image, model=MODEL)
    assert np.array_equal(image, FIELD)


def test_a_file_is_read(tmp_path):
    path = tmp_path / "smear.png"
    Image.fromarray(FIELD).save(path)
    assert same(segment(path, model=MODEL), segment(FIELD, model=MODEL))
    assert segment(str(path), model=MODEL, pixel_size=0.1).pixel_size == 0.1


def test_a_file_of_several_pages_is_not_one_image(tmp_path):
    path = tmp_path / "pages.tif"
    page = Image.fromarray(BLANK)
    page.save(path, save_all=True, append_images=[page])
    with pytest.raises(ImageError, match="2 pages"):
        segment(path, model=MODEL)


def test_runs_in_several_threads_agree():
    alone = segment(FIELD, model=MODEL)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: segment(FIELD, model=MODEL), range(4)))
    assert all(same(alone, one) for one in both)


def test_every_stage_is_timed_and_traced():
    trace = Trace()
    result = segment(FIELD, model=MODEL, trace=trace)
    assert {"preprocess", "heads", "tails", "knots", "matching", "instances"} <= set(result.seconds)
    assert all(seconds >= 0 for seconds in result.seconds.values())
    assert trace.normalised.shape == FIELD.shape
    assert trace.foreground.tail.shape == SHAPE
    assert len(trace.heads) == len(trace.tails) == len(trace.pairs) == 2
    assert trace.head_rounds[0].found == trace.heads
    assert trace.tail_rounds[0].name == "S2"
    assert (trace.left[trace.heads[0].region.full(SHAPE)] == 240).all()


def test_notes_may_be_switched_off():
    quiet = CS3Config().changed(notes={"enabled": False})
    assert [note.kind for note in segment(BLANK, model=TruthModel(())).notes] == ["nothing found"]
    assert segment(BLANK, model=TruthModel(()), config=quiet).notes == ()


def test_knots_may_be_switched_off():
    trace = Trace()
    segment(FIELD, model=MODEL, config=CS3Config(knots=KnotsConfig(enabled=False)), trace=trace)
    assert trace.knots == []


@pytest.mark.slow
def test_the_model_that_ships_finds_the_heads_of_a_synthetic_smear():
    smear = synthesize(seed=11, shape=(400, 512), head_length=36.0)
    result = segment(smear.image, model=load_model("tiny", device="cpu"))
    heads = [sperm.head.region for sperm in result.sperm if sperm.head is not None]
    truth = [one.head for one in smear.sperm if one.head is not None and one.head.area > 300]
    found = [any(region.iou(one) > 0.5 for region in heads) for one in truth]
    assert len(truth) >= 5
    assert np.mean(found) >= 0.6
    assert len(heads) <= 2 * len(truth)
    assert any(sperm.complete for sperm in result.sperm)


@pytest.mark.slow
@pytest.mark.parametrize("order", [[0, 2, 1], [2, 1, 0]], ids=["green", "red"])
def test_a_stain_of_another_colour_is_segmented_as_well(order):
    """The same smear with colours exchanged: what absorbed green lets it pass, or red."""
    smear = synthesize(18, (480, 640), 45.0).image
    model = load_model()
    usual = [sperm for sperm in segment(smear, model=model).sperm if sperm.complete]
    other = [
        sperm
        for sperm in segment(np.ascontiguousarray(smear[..., order]), model=model).sperm
        if sperm.complete
    ]
    found = sum(any(a.region.iou(b.region) > 0.5 for b in other) for a in usual)
    assert len(usual) >= 4
    assert found >= 0.7 * len(usual)
