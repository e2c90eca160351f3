from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from drawn_smears import HEAD, SHAPE, SPERM, TAIL, ColourModel, masks, smear

from cascade import pipeline
from cascade.benchmark.annotations import AnnotatedImage, AnnotatedSperm
from cascade.config import CS3Config
from cascade.costs.knowing import KINDS, Truth, told
from cascade.geometry import paint_polyline
from cascade.matching import fitting
from cascade.pipeline import segment
from cascade.sam.protocol import DenseMaps
from cascade.tracing import Tracer
from cascade.types import Head, Region, Tail


def outlined(**sperm):
    """An expert's outlines of sperm, each a head's mask and a flagellum's."""
    found = [
        AnnotatedSperm(1.0, {"head": Region.from_full(head), "tail": Region.from_full(tail)})
        for head, tail in sperm.values()
    ]
    return AnnotatedImage.of(SHAPE, found)


def drawn():
    return Truth(outlined(**{name: masks(name) for name in SPERM}))


def run(pixels, truth, *kinds, model=None, config=None):
    with told(truth, kinds, model or ColourModel()) as informed:
        return segment(pixels, model=informed, config=config)


def tail_at(head, result):
    """The tail of the sperm whose head lies at x, y."""
    (one,) = (s for s in result.sperm if s.head and np.hypot(*(s.head.centre - head)) < 4)
    return one.tail


def line(*points):
    return np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(points)])


@dataclass
class Changed:
    """A model whose dense maps are changed."""

    change: object
    name: str = "changed"
    sha256: str = "d" * 64

    def encode(self, image, head_length):
        encoding = ColourModel().encode(image, head_length)
        return ChangedEncoding(encoding, self.change(encoding.dense))


@dataclass
class ChangedEncoding:
    encoding: object
    dense: DenseMaps | None

    def decode(self, prompts, part):
        return self.encoding.decode(prompts, part)


# -- the truth


def test_along_tells_whose_flagellum():
    truth = drawn()
    assert truth.along(line((80, 60), (190, 60))).tolist() == [1, 0, 0]
    assert truth.along(line((160, 180), (280, 180))).tolist() == [0, 0, 1]
    assert truth.along(line((80, 60), (80, 200)))[0] < 0.1
    assert truth.along(np.array([[-50.0, 900.0], [4000.0, 60.0]])).tolist() == [0, 0, 0]


def test_odds_are_the_truths_on_flagella_and_its_own_elsewhere():
    truth = drawn()
    upper, onwards, lower = line((80, 60), (100, 60)), line((120, 60), (140, 60)), line((80, 120), (100, 120))
    nowhere = line((20, 200), (20, 230))
    assert truth.odds(upper, onwards, -2.0) > 5
    assert truth.odds(upper, onwards, 1.0) > truth.odds(upper, onwards, -2.0)
    assert truth.odds(upper, lower, 2.0) < -5
    assert truth.odds(upper, nowhere, 2.0) < -5
    assert truth.odds(nowhere, nowhere, 2.0) == 2.0


def test_maps_show_what_is_outlined_and_nothing_of_other_sizes():
    seen = DenseMaps(np.ones(SHAPE), np.ones(SHAPE), np.ones((*SHAPE, 2)))
    maps = drawn().maps(seen)
    assert np.array_equal(maps.tail > 0.5, np.any([masks(name)[1] for name in SPERM], axis=0))
    assert maps.head is seen.head
    assert maps.direction is seen.direction
    assert not drawn().maps(DenseMaps(np.ones((9, 9)), np.ones((9, 9)), np.ones((9, 9, 2)))).tail.any()


def piece(*points):
    centreline = line(*points)
    return Tail(paint_polyline(centreline, 3, SHAPE), 0.9, centreline, 3.0)


def test_pairs_are_the_truths_whatever_the_distance():
    truth = drawn()
    heads = truth.heads[:2]  # the right one is not found
    tails = [
        piece((198, 120), (160, 120)),
        piece((80, 120), (140, 120)),
        piece((160, 180), (250, 180)),
        piece((50, 124), (50, 220)),
    ]
    pairs = truth.pairs(heads, tails, 18.0, 0.3)
    assert set(pairs) == {(1, 0), (1, 1)}
    assert pairs[1, 0].reverse
    assert not pairs[1, 1].reverse
    assert pairs[1, 1].score > pairs[1, 0].score >= 0.6  # the longer piece
    assert pairs[1, 1].anchor == pytest.approx(heads[1].ends[1])
    assert all(pair.score > 0.9 for pair in truth.pairs(heads, tails, 18.0, 0.9).values())


def test_blank_truth():
    truth = Truth(AnnotatedImage(SHAPE))
    assert (truth.heads, truth.flagella.any(), len(truth.along(line((0, 0), (9, 9))))) == ([], False, 0)
    assert truth.odds(line((0, 0), (9, 9)), line((9, 9), (20, 20)), 1.5) == 1.5
    assert truth.pairs([], [piece((9, 9), (50, 9))], 18.0, 0.3) == {}
    assert run(smear(), truth, *KINDS).sperm == ()


def test_head_without_a_flagellum():
    head, _ = masks("upper")
    truth = Truth(outlined(upper=(head, np.zeros(SHAPE, bool))))
    assert [one.region.area for one in truth.heads] == [np.count_nonzero(head)]
    assert [s.complete for s in run(smear(), truth, *KINDS).sperm] == [False]


def test_slips_of_the_pen_are_no_head():
    head, tail = masks("upper")
    head = head.copy()
    head[200:203, 340:343] = True
    (one,) = Truth(outlined(upper=(head, tail))).heads
    assert one.centre == pytest.approx((60, 60), abs=0.5)


# -- the pipeline that knows it


def test_told_nothing_is_the_pipeline():
    plain, informed = segment(smear(), model=ColourModel()), run(smear(), drawn())
    assert [s.score for s in informed.sperm] == [s.score for s in plain.sperm]


def test_true_heads_are_found_by_a_model_blind_to_them():
    blind = Changed(lambda maps: replace(maps, head=np.zeros_like(maps.head)))
    assert not any(s.head for s in segment(smear(), model=blind).sperm)
    heads = [s.head.region for s in run(smear(), drawn(), "heads", model=blind).sperm if s.head]
    assert sorted(r.area for r in heads) == sorted(np.count_nonzero(masks(name)[0]) for name in SPERM)


def test_true_foreground_leaves_out_what_is_not_outlined():
    with_stray, without = segment(smear(), model=ColourModel()), run(smear(), drawn(), "foreground")
    assert sum(s.tail is not None for s in with_stray.sperm) == 4
    assert sum(s.tail is not None for s in without.sperm) == 3


@pytest.mark.parametrize(
    "change", [lambda maps: replace(maps, tail=np.zeros_like(maps.tail)), lambda maps: None]
)
def test_true_foreground_of_models_that_see_no_tails_or_have_no_maps(change):
    result = run(smear(), drawn(), "foreground", model=Changed(change))
    assert sum(s.complete for s in result.sperm) == 3


def test_true_matching_reaches_across_a_gap():
    config = CS3Config().changed(matching={"max_distance_hl": 0.2})  # the lower tail begins 0.39 off
    centre, (_, end) = SPERM["lower"]
    own = [
        tail is not None and np.hypot(*(tail.centreline[-1] - end)) < 4
        for kinds in ((), ("matching",))
        for tail in [tail_at(centre, run(smear(), drawn(), *kinds, config=config))]
    ]
    assert own == [False, True]


BOUNCING = {
    "above": ((45, 87), [(54, 89), (200, 118), (340, 90)]),
    "below": ((45, 153), [(54, 151), (200, 122), (340, 150)]),
}
"""Two tails that touch and part again: they look as if they crossed."""


def bouncing():
    """The picture, and its truth."""
    pixels, sperm = np.full((*SHAPE, 3), 240, np.uint8), {}
    for name, (centre, points) in BOUNCING.items():
        head, tail = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
        cv2.ellipse(head, centre, (9, 5), 0, 0, 360, 1, -1)
        cv2.polylines(tail, [np.array(points)], False, 1, 3)
        sperm[name] = head > 0, (tail > 0) & (head == 0)
    for colour, number in ((TAIL, 1), (HEAD, 0)):
        for parts in sperm.values():
            pixels[parts[number]] = colour
    return pixels, Truth(outlined(**sperm))


@pytest.mark.parametrize(("kinds", "crossing"), [((), [True, True]), (("links",), [False, False])])
def test_true_links_turn_where_it_looks_like_a_crossing(kinds, crossing):
    pixels, truth = bouncing()
    by_geometry = CS3Config().changed(looks={"enabled": False})  # who looks is not deceived
    tails = [s.tail.centreline for s in run(pixels, truth, *kinds, config=by_geometry).sperm if s.tail]
    assert all(np.ptp(tail[:, 0]) > 270 for tail in tails)
    assert [(tail[0, 1] > 120) != (tail[-1, 1] > 120) for tail in tails] == crossing


def test_everything_is_put_back_even_after_an_error():
    before = pipeline.find_heads, pipeline.whitened_foreground, pipeline.fitting, Tracer.links
    assert pipeline.fitting is fitting
    with pytest.raises(KeyboardInterrupt):
        run(smear(), drawn(), *KINDS, model=ColourModel(fail_after=0))
    assert before == (pipeline.find_heads, pipeline.whitened_foreground, pipeline.fitting, Tracer.links)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="found tails"), told(drawn(), ["heads", "tails"], ColourModel()):
        pass


def test_heads_given_are_not_shared():
    truth = drawn()
    with told(truth, ["heads"], ColourModel()):
        found, rounds = pipeline.find_heads()
    found.clear()
    assert rounds == []
    assert len(truth.heads) == 3
    assert isinstance(truth.heads[0], Head)
