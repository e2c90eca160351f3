from __future__ import annotations

import numpy as np
import pytest

from cascade.errors import ConfigError
from cascade.fitting.logistic import auc
from cascade.sam.tiny import load_tiny
from cascade.synthesis import synthesize
from cascade.synthesis.distance import (
    Crops,
    compare,
    cross_validated,
    kernel_distance,
    take_crops,
)


def crops(seed: int, shift: float = 0.0, pictures: int = 20) -> Crops:
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(pictures, dtype=float), 3)
    return Crops(rng.normal(shift, 1, (len(number), 12)), rng.normal(shift, 1, (len(number), 4)), number)


def test_sets_alike_are_near_and_sets_apart_are_far() -> None:
    alike, apart = compare(crops(0), crops(1)), compare(crops(0), crops(2, 1.5))
    assert abs(alike.kid) < 0.2 < apart.kid
    assert abs(alike.texture_kid) < 0.6 < apart.texture_kid
    assert 0.3 < alike.auc < 0.7
    assert apart.auc > 0.98
    assert apart.accuracy > 0.9
    assert apart.crops == (60, 60)


def test_the_kernel_distance_of_two_points_a_side_is_as_by_hand() -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    # k(0, 1) = 1, k(1, 2) = 27, and across 1, 1, 8, 27
    assert kernel_distance(x, y) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_the_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    values = [kernel_distance(rng.normal(size=(10, 3)), rng.normal(size=(10, 3))) for _ in range(600)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_pictures_are_not_recognised_by_crops_of_their_own() -> None:
    """A mark of the picture, not of the set, must not help."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20.0), 5)
    x = rng.normal(size=(20, 8))[groups.astype(int)] * 3
    y = (groups < 10).astype(float)
    assert auc(cross_validated(x, y, groups, rng), y == 1) < 0.75


def test_crops_of_pictures_have_features_and_texture() -> None:
    model = load_tiny()
    pictures = [synthesize(seed, (512, 640), 45.0, "diff-quik-like").image for seed in (1, 2)]
    found = take_crops(pictures, model, 2)
    assert found.picture.tolist() == [0, 0, 1, 1]
    assert np.isfinite(found.features).all()
    assert np.isfinite(found.texture).all()
    assert len(found.features) == len(found.texture) == 4


def test_too_little_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least 8 crops of 2 pictures"):
        compare(crops(0, pictures=2), crops(1))
    with pytest.raises(ConfigError, match="use whole fields"):
        take_crops([np.full((40, 50, 3), 200, np.uint8)], load_tiny(), 2)
