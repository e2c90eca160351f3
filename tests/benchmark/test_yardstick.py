"""Figures on real outlines, where they are at hand, against those of an independent script."""

import os
from datetime import date
from pathlib import Path

import pytest

from cascade.benchmark.datasets import common_images, open_datasets
from cascade.benchmark.figures import figures
from cascade.benchmark.method_score import score_method
from cascade.benchmark.splits import select_images

DATA = Path(os.environ.get("CS3_DEV_DATA", "nowhere")) / "sperm-parsing"
EXPECTED = {  # expert b against a and c, on twenty images
    "sperm": 144,
    "predicted": 144,
    "mIoU": 0.781,
    "mDice": 0.874,
    "recall50": 0.972,
    "F1": 0.972,
    "PQ": 0.770,
    "AP": 0.543,
    "AP50": 0.952,
    "AP75": 0.561,
    "head IoU": 0.905,
    "midpiece IoU": 0.583,
    "tail IoU": 0.629,
    "flagellum IoU": 0.669,
    "acrosome IoU": 0.743,
    "nucleus IoU": 0.849,
    "vacuole IoU": 0.527,
    "centreline recall": 0.926,
    "centreline precision": 0.944,
    "length error": 0.025,
    "parsing mIoU": 0.682,
    "APp50": 0.925,
    "APpvol": 0.645,
    "PCP50": 0.864,
}


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not at hand (CS3_DEV_DATA)")
def test_figures_are_those_of_the_yardstick() -> None:
    experts = {expert.name: expert for expert in open_datasets([DATA])}
    names = select_images(sorted(common_images(list(experts.values()))), until=date(2023, 4, 27))[::8][:20]
    one, *others = (experts[f"expert-{letter}"] for letter in "bac")
    found = figures(score_method(one.name, one.images, others, names))
    assert {name: found[name] for name in EXPECTED} == pytest.approx(EXPECTED, abs=0.002)
