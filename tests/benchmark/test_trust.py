"""Of the sperm scored so, how many are right: fields on which one can count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from drawn_sperm import dataset, sperm

from cascade.benchmark.annotations import AnnotatedSperm
from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.trust import trust, trust_table

TRUE = [sperm(0, 0), sperm(0, 20), sperm(0, 40)]


def scored(*experts: Sequence[AnnotatedSperm]) -> MethodScore:
    """Three right ones scored 0.95, 0.9 and 0.6, and one where nothing is, scored 0.92."""
    found = [sperm(0, 0, score=0.95), sperm(0, 20, score=0.9), sperm(0, 40, score=0.6)]
    found.append(sperm(55, 45, score=0.92))
    truth = [dataset(f"{number}", {"1.png": one}) for number, one in enumerate(experts)]
    return score_method("method", dataset("method", {"1.png": found}).images, truth, ["1.png"])


def test_right_ones_are_counted_band_by_band() -> None:
    bands = {band.low: band for band in trust(scored(TRUE), (0.5, 0.9, 0.95, 1.0))}
    assert (bands[0.5].sperm, bands[0.5].right) == (1, 1)
    assert (bands[0.9].sperm, bands[0.9].right) == (2, 0.5)
    assert bands[0.9].score == pytest.approx(0.91)
    assert (bands[0.95].sperm, bands[0.95].right) == (1, 1)  # its lower edge belongs to a band


def test_experts_are_averaged() -> None:
    (band,) = trust(scored(TRUE, TRUE[:1]), (0.0, 1.0))
    assert band.sperm == 4
    assert band.right == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_the_highest_score_belongs_to_the_highest_band() -> None:
    truth = dataset("a", {"1.png": TRUE})
    sure = score_method("method", dataset("m", {"1.png": [sperm(0, 0)]}).images, [truth], ["1.png"])
    assert [band.sperm for band in trust(sure)][-1] == 1


def test_bands_without_sperm_are_left_out_of_the_table() -> None:
    bands = trust(scored(TRUE))
    assert math.isnan(bands[0].right)
    table = trust_table(bands).splitlines()
    assert [line.split() for line in table[1:]] == [
        ["0.50–0.70", "1.0", "0.60", "1.00"],
        ["0.90–0.95", "2.0", "0.91", "0.50"],
        ["0.95–1.00", "1.0", "0.95", "1.00"],
    ]
