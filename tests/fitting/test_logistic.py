"""Weights that are known come out; images stay whole in cross-validation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade.fitting.candidates import Table
from cascade.fitting.logistic import auc, calibration_error, cross_validated, fit, folds, log_loss

TRUE = np.array([-1.0, 2.0, -0.5, 0.0])


def drawn(count=4000, seed=0, weights=TRUE):
    """Candidates that are right with the odds that known weights give, ten an image."""
    rng = np.random.default_rng(seed)
    seen = np.column_stack([np.ones(count), rng.normal(0, [1, 2, 3], (count, 3))])
    right = rng.random(count) < 1 / (1 + np.exp(-seen @ weights))
    return Table(seen, right, np.repeat(np.arange(count // 10), 10).astype(float))


def test_known_weights_come_out_within_their_errors():
    table = drawn()
    found = fit(table.witnesses, table.right)
    assert np.abs(found.weights - TRUE).max() < 0.15
    assert (np.abs(found.weights - TRUE) < 4 * found.errors).all()


def test_weights_do_not_depend_on_the_unit_of_a_witness():
    table = drawn(500)
    scale = np.array([1.0, 100.0, 0.01, 1.0])
    one, other = (fit(seen, table.right).weights for seen in (table.witnesses, table.witnesses * scale))
    assert other * scale == pytest.approx(one, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("right", [True, False])
def test_weights_stay_finite_where_everything_is_the_same(right):
    seen = np.column_stack([np.ones(50), np.linspace(0, 1, 50), np.zeros(50)])
    found = fit(seen, np.full(50, right))
    assert np.isfinite(found.weights).all()
    assert (found.weights[0] > 1) is np.bool_(right)


def test_weights_stay_finite_where_a_witness_tells_all():
    seen = np.column_stack([np.ones(50), np.linspace(-1, 1, 50)])
    found = fit(seen, seen[:, 1] > 0)
    assert np.isfinite(found.weights).all()
    assert found.weights[1] > 2


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(2, 6))
def test_an_image_is_never_in_two_folds(images, count):
    image = np.array(images, float)
    fold = folds(image, count)
    for one in set(images):
        assert len(set(fold[image == one])) == 1
    assert len(set(fold)) == min(count, len(set(images)))


def test_cross_validation_is_not_fooled_by_what_tells_images_apart():
    """A witness that is the image's number tells nothing of other images."""
    table = drawn(400)
    seen = np.column_stack([table.witnesses[:, :1], table.image[:, None] == np.arange(40)[None]])
    odds = cross_validated(Table(seen, table.right, table.image), ridge=0.1)
    assert auc(odds, table.right) < 0.55


def test_figures_of_odds_one_can_check_by_hand():
    right = np.array([True, True, False, False])
    assert log_loss(np.zeros(4), right) == pytest.approx(np.log(2))
    assert auc(np.array([2.0, 0.0, 1.0, -1.0]), right) == 0.75
    assert auc(np.zeros(4), right) == 0.5
    assert np.isnan(auc(np.zeros(2), np.array([True, True])))
    assert calibration_error(np.full(4, -50.0), right) == pytest.approx(0.5)
    assert calibration_error(np.array([50.0, 50.0, -50.0, -50.0]), right) == pytest.approx(0)
    assert np.isnan(log_loss(np.zeros(0), np.zeros(0, bool)))
