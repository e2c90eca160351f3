"""The judge of looks learns from synthetic smears, and goes on where it was stopped."""

import numpy as np
import pytest
import torch

from cascade.errors import ConfigError, ModelError
from cascade.looks.network import LookNetwork, load_judge
from cascade.looks.picture import CHANNELS, SIDE
from cascade.sam.registry import load_model
from cascade.training import looks
from cascade.training.look_lessons import KINDS, Lessons, lessons_of
from cascade.training.looks import train_looks
from cascade.training.settings import LooksTraining

SETTINGS = LooksTraining(smears=3, passes=2, batch=8, threads=1)


def lessons(seed, count=20):
    """Right where the second line is drawn, whatever else is seen."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 60, (count, CHANNELS, SIDE, SIDE), np.uint8)
    right = rng.random(count) < 0.5
    pictures[right, 4:6, 44:52] = 255
    return Lessons(pictures, rng.integers(0, len(KINDS), count).astype(np.uint8), right)


@pytest.fixture
def model(monkeypatch):
    """Lessons come at once; only their maker's name is asked for."""
    monkeypatch.setattr(looks, "lessons_of", lambda seed, model: lessons(seed))
    return load_model("tiny", device="cpu")


def test_it_learns_what_is_right(tmp_path, model):
    assert train_looks(tmp_path, LooksTraining(smears=12, passes=6, batch=16, threads=1), model)
    judge, unseen = load_judge(tmp_path / "looks.safetensors"), lessons(99)
    odds = judge.odds(unseen.pictures, pairs=False)
    assert odds[unseen.right].min() > odds[~unseen.right].max()


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(tmp_path, model):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train_looks(whole, SETTINGS, model)
    asked = iter([False] * 7 + [True] * 99)  # three smears, then amid the first pass
    assert not train_looks(parts, SETTINGS, model, stop=lambda: next(asked))
    assert train_looks(parts, SETTINGS, model)
    first, second = (
        torch.load(one / "checkpoint.pt", weights_only=True)["network"] for one in (whole, parts)
    )
    for name, value in first.items():
        assert torch.allclose(value.float(), second[name].float(), atol=1e-5), name
    assert (parts / "log.jsonl").read_text().count("held_out") == 2


def test_a_stop_while_gathering_keeps_what_was_gathered(tmp_path, model):
    asked = iter([False, True])
    assert not train_looks(tmp_path, SETTINGS, model, stop=lambda: next(asked))
    assert [path.name for path in (tmp_path / "lessons").iterdir()] == ["00000.npz"]


def test_a_folder_of_another_training_is_refused(tmp_path, model):
    train_looks(tmp_path, SETTINGS, model)
    with pytest.raises(ConfigError, match="seed"):
        train_looks(tmp_path, LooksTraining(smears=3, passes=2, batch=8, threads=1, seed=2), model)


def test_damaged_lessons_are_named(tmp_path, model):
    (tmp_path / "lessons").mkdir()
    (tmp_path / "lessons" / "00001.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ModelError, match=r"00001\.npz.*delete it"):
        train_looks(tmp_path, SETTINGS, model)


@pytest.mark.parametrize("values", [{"smears": 1}, {"passes": 0}, {"batch": 0}, {"rate": 1.5}])
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        LooksTraining(**values)


@pytest.mark.slow
def test_lessons_are_what_the_cascade_comes_upon():
    """Right and wrong ones of every kind in a few smears, and the same at every time."""
    model = load_model("tiny", device="cpu")
    several = [lessons_of(seed, model) for seed in (1, 3)]
    kinds = np.concatenate([one.kinds for one in several])
    right = np.concatenate([one.right for one in several])
    assert {(int(kind), bool(ok)) for kind, ok in zip(kinds, right, strict=True)} >= {
        (KINDS.index(name), ok) for name in ("round", "pair") for ok in (True, False)
    }
    again = lessons_of(3, model)
    assert np.array_equal(again.pictures, several[1].pictures)
    assert np.array_equal(again.right, several[1].right)


def test_the_network_is_small():
    assert sum(value.numel() for value in LookNetwork().parameters()) < 500_000
