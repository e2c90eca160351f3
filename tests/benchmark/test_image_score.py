"""What is kept of one image."""

import numpy as np
import pytest
from drawn_sperm import SHAPE, drawn, sperm

from cascade.benchmark.image_score import claim, finest_parts, pair, score_image

FINE = ("head", "flagellum")


def test_one_pair_one_miss_and_one_too_many() -> None:
    score = score_image([sperm(0, 0), sperm(0, 20)], [sperm(50, 40), sperm(0, 0)], SHAPE, FINE)
    assert (score.true, score.predicted) == (2, 2)
    assert score.mates.tolist() == [1, -1]
    assert score.paired.tolist() == [1, 0]
    assert score.part_iou["head"].tolist() == score.part_iou["flagellum"].tolist() == [1, 0]
    assert np.isnan(score.part_iou["nucleus"]).all()
    assert score.recall.tolist() == score.cl_dice.tolist() == [1, 0]
    assert score.precision.tolist() == [0, 1]
    assert score.length_error.tolist() == [0, 1]
    assert score.hits.all(axis=0).tolist() == [False, True]
    assert score.common == {"head": 100, "flagellum": 150}
    assert score.either == {"head": 300, "flagellum": 450}


def test_cl_dice_is_the_harmonic_mean_of_recall_and_precision() -> None:
    score = score_image([sperm(0, 0, 40)], [sperm(0, 0, 20)], SHAPE, FINE)
    recall, precision = score.recall[0], score.precision[0]
    assert recall == pytest.approx(0.5, abs=0.06)
    assert precision == 1
    assert score.cl_dice[0] == pytest.approx(2 * recall / (1 + recall))


def test_a_head_alone_has_no_centreline() -> None:
    score = score_image([drawn(head=(0, 0, 10, 10))], [sperm(0, 0)], SHAPE, FINE)
    assert np.isnan([score.recall[0], score.cl_dice[0], score.length_error[0]]).all()
    assert score.precision.tolist() == [0]  # the tail is too much
    assert score.correct_parts.tolist() == [1]


def test_nothing_against_nothing() -> None:
    score = score_image([], [], SHAPE, FINE)
    assert (score.true, score.predicted, score.common) == (0, 0, {})
    assert score.hits.shape == (10, 0)


def test_whole_sperm_without_parts_are_scored_as_wholes() -> None:
    whole = drawn(sperm=(0, 0, 20, 10))
    score = score_image([whole], [sperm(0, 0, 10)], SHAPE, finest_parts({"sperm"}, {"head", "tail"}))
    assert score.paired[0] == pytest.approx(150 / 200)
    assert score.correct_parts.tolist() == [1]
    assert score.part_overlap[0, 0] == pytest.approx(150 / 200)


def test_parsing_looks_at_what_both_separate() -> None:
    five = {"acrosome", "nucleus", "vacuole", "midpiece", "tail"}
    assert finest_parts(five, five) == ("acrosome", "nucleus", "vacuole", "midpiece", "tail")
    assert finest_parts(five, {"head", "tail"}) == ("head", "flagellum")
    assert finest_parts(five, {"head", "midpiece"}) == ("head", "midpiece", "tail")
    assert finest_parts({"head", "tail"}, five) == ("head", "flagellum")
    assert finest_parts({"sperm"}, five) == ("sperm",)
    assert finest_parts(five, set()) == ("head", "flagellum")


def test_an_overlap_of_exactly_a_level_is_a_hit_in_coco() -> None:
    score = score_image(
        [drawn(head=(0, 0, 10, 10))], [drawn(head=(0, 0, 10, 7), tail=(0, 7, 5, 8))], SHAPE, FINE
    )
    assert score.paired[0] == 0.75
    assert score.coco_hits[:, 0].sum() == 6  # at 0.5, 0.55, … 0.75
    assert score.hits[:, 0].sum() == 5


def test_the_surer_prediction_chooses_first() -> None:
    overlap = np.array([[0.9, 0.6], [0.0, 0.55]])
    hits = claim(overlap, np.array([0.2, 0.8]), np.array([0.5, 0.7]))
    assert hits.tolist() == [[False, True], [True, False]]
    assert pair(overlap).tolist() == [0, 1]


def test_some_of_the_true_sperm() -> None:
    score = score_image([sperm(0, 0), sperm(0, 20)], [sperm(0, 0)], SHAPE, FINE)
    part = score.of(np.array([False, True]))
    assert (part.true, part.predicted, part.paired.tolist()) == (1, 1, [0])
