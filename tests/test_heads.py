"""S1 on drawn smears: which blobs are heads, and where their edge is."""

import numpy as np
import pytest
from drawn_field import LENGTH, SHAPE, WIDTH, Drawn, TruthModel, picture, swimming

from cascade.config import HeadsConfig
from cascade.heads import find_heads, sampled, solidity, touches_border
from cascade.sam.protocol import DenseMaps, Masks
from cascade.types import Region

CONFIG = HeadsConfig()
TWO = (swimming((80, 80), (300, 80)), swimming((80, 200), (300, 260)))


def run(sperm, config=CONFIG, image=None, **model):
    image = picture(sperm) if image is None else image
    truth = TruthModel(sperm, **model)

    def encode(pixels):
        encoding = truth.encode(pixels, LENGTH)
        return encoding, encoding.dense

    return find_heads(image, encode(image), encode, LENGTH, config)


@pytest.mark.parametrize("prompts", ["foreground", "grid"])
def test_every_head_is_found_once_with_its_axis(prompts):
    heads, _ = run(TWO, HeadsConfig(prompts=prompts, grid_side=24))
    assert len(heads) == 2
    for head, one in zip(sorted(heads, key=lambda h: h.centre[1]), TWO, strict=True):
        along = np.subtract(one.end, one.start) / np.linalg.norm(np.subtract(one.end, one.start))
        assert head.centre == pytest.approx(one.head, abs=1)
        assert head.length == pytest.approx(LENGTH, abs=2)
        assert head.width == pytest.approx(WIDTH, abs=2)
        assert abs(head.axis @ along) > 0.99
        assert head.score == pytest.approx(0.9)


def test_a_mask_is_snapped_to_the_edge_of_the_foreground():
    """The model's masks have half the picture's resolution, the head's edge has not."""
    heads, _ = run(TWO)
    image = picture(TWO)
    for head in heads:
        x, y = head.centre.round().astype(int)
        assert np.array_equal(head.region.full(SHAPE), (image == image[y, x]).all(-1))


def test_a_field_without_heads_is_one_round_and_no_head():
    heads, rounds = run((Drawn(None, (50, 50), (200, 60)),))
    assert heads == []
    assert len(rounds) == 1
    assert rounds[0].prompts.shape == (0, 2)


@pytest.mark.parametrize(
    ("config", "scores", "reason"),
    [
        (HeadsConfig(max_area_hl2=0.2), {}, "area 0.4"),
        (HeadsConfig(min_area_hl2=0.5), {}, "area 0.4"),
        (HeadsConfig(min_score=0.5), {0: 0.4}, "score 0.40 < 0.50"),
    ],
)
def test_a_blob_that_is_no_head_is_rejected_and_says_why(config, scores, reason):
    heads, rounds = run(TWO[:1], config, scores=scores)
    assert heads == []
    ((region, why),) = rounds[0].rejected
    assert region.area == pytest.approx(np.pi * LENGTH * WIDTH / 4, rel=0.15)
    assert why.startswith(reason)


@pytest.mark.parametrize(("x", "least", "kept"), [(0, 0.3, False), (0, 0.15, True), (7, 0.3, True)])
def test_of_a_head_that_the_border_cuts_enough_must_be_in_view(x, least, kept):
    """A whole one has 0.42 square head lengths; half of it is in view, or nearly all."""
    sperm = (Drawn((x, 100)),)
    config = HeadsConfig(min_area_hl2=0.4, min_area_at_border_hl2=least)
    heads, rounds = run(sperm, config, picture(sperm))
    assert bool(heads) is kept
    if not kept:
        assert rounds[0].rejected[0][1].endswith("< 0.30 square head lengths in view")


def test_half_a_head_away_from_the_border_is_debris():
    image = picture((Drawn((200, 100)),))
    image[:, 201:] = 240
    heads, _ = run((Drawn((200, 100)),), HeadsConfig(min_area_hl2=0.3, min_area_at_border_hl2=0.0), image)
    assert heads == []


def test_later_rounds_find_what_was_hidden_and_nothing_twice():
    """A model that sees one head at a time, the first that is left."""
    image = picture(TWO)

    class OneAtATime:
        def __init__(self, pixels):
            labels = TruthModel(TWO).encode(pixels, LENGTH).labels
            left = np.isin(labels, (1, 3))
            first = labels == (1 if (labels == 1).any() else 3)
            self.dense = DenseMaps(left.astype(float), np.zeros(SHAPE), np.zeros((*SHAPE, 2)))
            self.mask = np.where(first, 5, -5).astype(np.float32)

        def decode(self, prompts, part):
            assert part == "head"
            return Masks(
                np.repeat(self.mask[None, None], len(prompts), 0), np.full((len(prompts), 1), 0.8), 1
            )

    def encode(pixels):
        encoding = OneAtATime(pixels)
        return encoding, encoding.dense

    heads, rounds = find_heads(image, encode(image), encode, LENGTH, CONFIG)
    assert [len(one.found) for one in rounds] == [1, 1]
    assert heads == [one.found[0] for one in rounds]
    assert heads[0].region.intersection_area(heads[1].region) == 0
    assert [why for _, why in rounds[0].rejected] == ["found already"]
    assert not rounds[0].painted.any()
    assert rounds[1].painted[80, 80]
    assert not rounds[1].painted[200, 80]


def test_rounds_are_limited():
    _, rounds = run(TWO, HeadsConfig(rounds=1))
    assert len(rounds) == 1


def test_the_best_of_several_candidates_is_taken():
    """SAM offers the whole, a part and a sub-part: the one it is surest of counts, empty ones do not."""
    head = np.zeros((60, 60), bool)
    head[20:40, 15:45] = True
    half = head.copy()
    half[:, 30:] = False

    class Ambiguous:
        dense = DenseMaps(head.astype(float), np.zeros((60, 60)), np.zeros((60, 60, 2)))

        def decode(self, prompts, part):
            masks = np.stack([half, head, np.zeros_like(head)])
            logits = np.where(masks, 3, -3).astype(np.float32)[None]
            return Masks(logits, np.array([[0.6, 0.8, 0.99]], np.float32), 1)

    (found,), _ = find_heads(
        np.full((60, 60, 3), 240, np.uint8),
        (Ambiguous(), Ambiguous.dense),
        lambda _: (Ambiguous(), Ambiguous.dense),
        LENGTH,
        HeadsConfig(rounds=1),
    )
    assert np.array_equal(found.region.full((60, 60)), head)
    assert found.score == pytest.approx(0.8)


def test_a_pale_spot_within_a_head_is_head():
    """A vacuole takes no stain."""
    image = picture((Drawn((100, 100)),))
    image[98:103, 104:109] = 240
    (head,), _ = run((Drawn((100, 100)),), image=image)
    assert head.region.full(SHAPE)[98:103, 104:109].all()


@pytest.mark.parametrize(("share", "kept"), [(0.45, True), (0.35, False)])
def test_a_mask_must_lie_on_head_colour_by_a_fair_share(share, kept):
    """A head of 20×30 pixels, and a mask that reaches beyond it."""
    head, mask = np.zeros((80, 80), bool), np.zeros((80, 80), bool)
    head[20:40, 15:45] = True
    mask[20 : 20 + round(20 / share), 15:45] = True

    class Generous:
        dense = DenseMaps(head.astype(float), np.zeros((80, 80)), np.zeros((80, 80, 2)))

        def decode(self, prompts, part):
            logits = np.where(mask, 3, -3).astype(np.float32)[None, None]
            return Masks(logits, np.array([[0.9]], np.float32), 1)

    white = np.full((80, 80, 3), 240, np.uint8)
    config = HeadsConfig(rounds=1, min_purple=0.4)
    found, _ = find_heads(white, (Generous(), Generous.dense), None, LENGTH, config)
    assert bool(found) is kept


def test_masks_are_read_at_the_pixels_they_lie_on():
    """A slope at a quarter of the resolution is the same slope in the image."""
    ramp = np.tile((np.arange(10, dtype=np.float32) + 0.5) / 0.25 - 0.5, (8, 1))
    inside = sampled(ramp, 0.25, 5, 10, 25, 14)
    assert inside.shape == (4, 20)
    assert inside == pytest.approx(np.tile(np.arange(5.0, 25.0), (4, 1)), abs=0.2)


@pytest.mark.parametrize(
    ("x0", "y0", "touches"), [(0, 5, True), (5, 0, True), (17, 5, True), (5, 6, True), (5, 5, False)]
)
def test_touching_the_border(x0, y0, touches):
    assert touches_border(Region(np.ones((4, 3), bool), x0, y0), (10, 20)) is touches


def test_heads_that_touch_are_two():
    """Drawn in one colour, so that every mask covers both."""
    image = picture((Drawn((100, 100)),))
    other = picture((Drawn((128, 100)),))
    image[other[..., 0] < 200] = image[100, 100]
    heads, _ = run((Drawn((100, 100)),), image=image)
    assert sorted(head.centre.tolist() for head in heads) == pytest.approx(
        np.array([[100, 100], [128, 100]]), abs=1.5
    )


def test_a_ragged_blob_is_debris():
    """A cross as large as a head."""
    image = np.full((*SHAPE, 3), 240, np.uint8)
    colour = picture(TWO)[80, 80]
    image[95:105, 80:120] = image[80:120, 95:105] = colour
    heads, rounds = run(TWO[:1], HeadsConfig(min_solidity=0.8), image)
    assert heads == []
    ((_, why),) = rounds[0].rejected
    assert why.startswith("ragged: fills 0.")


@pytest.mark.parametrize(
    ("mask", "want"),
    [
        (np.ones((3, 5), bool), 1),
        (np.ones((1, 1), bool), 1),
        (np.tri(40, dtype=bool), 1),
        (np.eye(2, dtype=bool), 2 / 3),
        (np.zeros((0, 0), bool), 0),
    ],
)
def test_solidity_is_the_share_of_the_hull(mask, want):
    """Two pixels corner to corner lie in a hexagon of three."""
    assert solidity(Region(mask, 7, 9)) == pytest.approx(want, abs=0.03)
