"""Consensus of experts, by majority and by STAPLE."""

import sys

import pytest
from drawn_sperm import dataset, drawn, sperm

from cascade.benchmark.consensus import consensus, staple_performance
from cascade.errors import AnnotationError, CS3Error

IMAGES = ["1.png"]
BOXES = [(0, 0, 20, 20), (0, 0, 20, 19), (0, 0, 18, 20)]
EXPERTS = [dataset(name, {"1.png": [drawn(head=box)]}) for name, box in zip("abc", BOXES, strict=True)]


def test_the_majority_of_three_squares() -> None:
    agreed = consensus(EXPERTS, IMAGES, "majority")
    assert agreed.name == "majority"
    (one,) = agreed.images["1.png"].sperm()
    assert one.head.box == (0, 0, 20, 20)
    assert one.head.area == 20 * 20 - 2 * 1  # in the corner one against two


def test_staple_finds_the_same_square() -> None:
    (one,) = consensus(EXPERTS, IMAGES, "staple").images["1.png"].sperm()
    assert one.head.area in (398, 400)
    assert one.head.box == (0, 0, 20, 20)


def test_staple_knows_who_leaves_pixels_out() -> None:
    half = dataset("half", {"1.png": [drawn(head=(0, 0, 20, 11))]})
    ability = staple_performance(
        [EXPERTS[0], dataset("twin", {"1.png": [drawn(head=BOXES[0])]}), half], IMAGES
    )
    assert ability["a"]["head"].sensitivity == pytest.approx(1, abs=0.01)
    assert ability["half"]["head"].sensitivity == pytest.approx(0.55, abs=0.02)
    assert ability["half"]["head"].specificity == pytest.approx(1, abs=0.01)
    assert "flagellum" not in ability["a"]


def test_what_most_did_not_outline_is_not_agreed_on() -> None:
    some = [
        dataset("a", {"1.png": [sperm(0, 0), sperm(0, 20)]}),
        dataset("b", {"1.png": [sperm(0, 0)]}),
        dataset("c", {"1.png": [sperm(50, 40)]}),
    ]
    agreed = consensus(some, [*IMAGES], "majority").images["1.png"].sperm()
    assert [one.whole.box for one in agreed] == [(0, 0, 40, 10)]
    assert consensus(some[1:], IMAGES, "majority").images["1.png"].sperm() == []


def test_a_part_that_one_of_three_drew_is_left_out() -> None:
    raters = [sperm(0, 0), drawn(head=(0, 0, 10, 10), tail=(10, 3, 40, 8)), drawn(head=(0, 0, 10, 10))]
    raters[0].parts["vacuole"] = drawn(vacuole=(2, 2, 5, 5)).parts["vacuole"]  # type: ignore[index]
    experts = [dataset(name, {"1.png": [one]}) for name, one in zip("abc", raters, strict=True)]
    (one,) = consensus(experts[:2], IMAGES, "majority").images["1.png"].sperm()
    assert set(one.parts) == {"head", "tail"}


def test_agreement_takes_two(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnnotationError, match="at least two experts"):
        consensus(EXPERTS[:1], IMAGES, "majority")
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(CS3Error, match=r"pip install 'cs3\[benchmark\]'"):
        consensus(EXPERTS, IMAGES, "staple")
