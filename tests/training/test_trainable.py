"""A method that learns, behind the protocol: small pictures, a few steps of the real thing."""

import pytest
from drawn_smears import write_data

from cascade.comparators import scale
from cascade.comparators.protocol import TrainingData
from cascade.comparators.registry import load_method
from cascade.images import read_image
from cascade.training import unet
from cascade.training.trainable import trainable
from cascade.training.watcher import Watcher


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "WORKING_SIDE", 96)
    monkeypatch.setattr(unet, "SHAPE", (64, 64))
    data = write_data(tmp_path / "data")
    files = {path.name: path for path in sorted((data / "images").iterdir())}
    first, second, third = files
    shown = {first: files[first], second: files[second]}
    return TrainingData((data / "experts.json",), shown, {third: files[third]})


def test_it_learns_stops_and_goes_on(lesson, tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    learner = trainable("unet", "cpu", steps=2)
    assert learner.name == "unet"
    out = tmp_path / "out"
    assert learner.train(lesson, out, Watcher(), stop=lambda: True) is None
    weights = learner.train(lesson, out, Watcher(), stop=lambda: False)
    assert weights == out / "unet.safetensors"
    assert learner.train(lesson, out, Watcher(), stop=lambda: False) == weights
    method = load_method("unet", "cpu", weights=weights)
    image = read_image(next(iter(lesson.images.values()))).pixels
    assert isinstance(method.predict(image), list)


def test_what_learns_nothing_is_refused():
    with pytest.raises(KeyError):
        trainable("naive", "cpu")
