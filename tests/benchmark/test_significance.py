"""Paired permutation tests and Holm's adjustment."""

from itertools import product

import numpy as np
import pytest
from drawn_sperm import dataset, sperm

from cascade.benchmark.method_score import MethodScore, score_method
from cascade.benchmark.significance import HEADLINE, compare_methods, holm, p_value
from cascade.errors import AnnotationError

NAMES = [f"{n}.png" for n in range(12)]
TRUTH = dataset("a", {name: [sperm(0, 0)] for name in NAMES})


def method(name: str, found: list[str]) -> MethodScore:
    """One that finds the sperm of these images and nothing in the others."""
    return score_method(name, dataset(name, {n: [sperm(0, 0)] for n in found}).images, [TRUTH], NAMES)


def test_a_method_does_not_differ_from_itself() -> None:
    one, twin = method("one", NAMES[:6]), method("twin", NAMES[:6])
    comparisons = compare_methods([one, twin], permutations=50, resamples=50)
    assert [c.figure for c in comparisons] == list(HEADLINE)
    assert {(c.p, c.p_holm, c.difference.value) for c in comparisons} == {(1, 1, 0)}


def test_a_method_that_is_better_everywhere_is_better() -> None:
    (found,) = compare_methods([method("all", NAMES), method("none", [])], ["mIoU"], permutations=4000)
    assert (found.first, found.second, found.difference.value) == ("all", "none", 1)
    # Only 2 of 2^12 ways to swap give as large a difference.
    assert found.p == pytest.approx(2 / 2**12, abs=8e-4)
    assert (found.difference.low, found.difference.high) == (1, 1)


def test_permutations_sample_the_exact_test() -> None:
    first, second = method("first", NAMES[:7]), method("second", NAMES[5:8])
    (found,) = compare_methods([first, second], ["recall50"], permutations=4000)
    differences = np.array([(n in NAMES[:7]) - (n in NAMES[5:8]) for n in NAMES])
    signs = np.array(list(product([1, -1], repeat=12)))
    exact = np.mean(np.abs(signs @ differences) >= abs(differences.sum()))
    assert found.p == pytest.approx(exact, abs=0.03)


def test_p_values_are_adjusted_over_pairs() -> None:
    some = [method("a", NAMES), method("b", NAMES[:2]), method("c", NAMES[:1])]
    found = compare_methods(some, ["F1"], permutations=400)
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [c.p_holm for c in found] == holm([c.p for c in found])
    assert found[0].as_json()["difference"]["value"] == found[0].difference.value


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_a_p_value_is_never_zero() -> None:
    assert p_value(np.array([1.0, 0.0, 0.0, 0.0])) == 1 / 4
    assert p_value(np.array([-1.0, 1.0, 0.5])) == 2 / 3


def test_only_scores_on_the_same_images_are_compared() -> None:
    one = method("one", NAMES)
    with pytest.raises(AnnotationError, match="same images and experts, found one and two"):
        compare_methods([one, method("two", NAMES).on(NAMES[:3])])
    assert compare_methods([one]) == compare_methods([]) == []


def test_a_figure_that_cannot_be_measured_is_left_out() -> None:
    assert compare_methods([method("a", NAMES), method("b", NAMES)], ["nucleus IoU"], permutations=5) == []
