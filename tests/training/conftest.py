"""A smear drawn by hand, in which two tails cross, and a training on noise that takes no time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from cascade.preprocess import WHITE
from cascade.training import tiny
from cascade.training.scene import SHAPE, Scene, SceneSperm
from cascade.training.settings import TinyTraining
from cascade.training.unlabelled import Believed
from cascade.types import Region

HEAD_LENGTH = 44.0
LYING = {"head": (100, 200), "tail": ((124, 200), (420, 200))}
STANDING = {"head": (300, 80), "tail": ((300, 100), (300, 380))}


Place = tuple[int, int]


def sperm(sperm_id: int, head: Place, tail: tuple[Place, Place]) -> SceneSperm:
    """A round head and a straight tail, 9 pixels wide; its centreline has a point every two pixels."""
    disc, line = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    cv2.circle(disc, head, 20, 1, -1)
    cv2.line(line, *tail, 1, 9)
    line[disc > 0] = 0
    length = max(abs(tail[1][0] - tail[0][0]), abs(tail[1][1] - tail[0][1]))
    centreline = np.linspace(*np.array(tail, float), length // 2)
    return SceneSperm(sperm_id, Region.from_full(disc > 0), Region.from_full(line > 0), centreline)


def smear(*several: SceneSperm) -> Scene:
    """Dark sperm on the background that preprocessing makes."""
    image = np.full((*SHAPE, 3), WHITE, np.uint8)
    for one in several:
        for region in (one.head, one.flagellum):
            if region is not None:
                image[region.full(SHAPE)] = 120
    return Scene(image, several, HEAD_LENGTH)


@pytest.fixture(scope="session")
def crossing() -> Scene:
    """Both sperm; the tails cross at x 300, y 200."""
    return smear(sperm(1, **LYING), sperm(2, **STANDING))


@pytest.fixture(scope="session")
def lying() -> Scene:
    """The first alone: its head is at x 100, y 200, its tail runs to x 420."""
    return smear(sperm(1, **LYING))


class Noise(IterableDataset[dict[str, NDArray[Any]]]):
    """Sample `i` is noise of seed `i`: unlike the real stream, it goes on as if never interrupted."""

    def __init__(
        self, seed: int, start: int = 0, prompts: int = 2, believed: Sequence[Believed] = ()
    ) -> None:
        super().__init__()
        self.seed, self.start, self.prompts = seed, start, prompts

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        number = self.start
        while True:
            yield self.sample(np.random.default_rng([self.seed, number]))
            number += 1

    def sample(self, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        def map_of(*shape: int) -> NDArray[np.uint8]:
            return rng.integers(0, 2, shape, dtype=np.uint8)

        return {
            "image": rng.integers(0, 256, (64, 96, 3), dtype=np.uint8),
            "head": map_of(64, 96),
            "tail": map_of(64, 96),
            "sure": map_of(64, 96),
            "direction": rng.normal(size=(2, 64, 96)).astype(np.float16),
            "alone": map_of(64, 96),
            "owner": rng.normal(size=(2, 8, 12)).astype(np.float32),
            "owned": map_of(8, 12),
            "points": rng.uniform(0, 60, (self.prompts, 8, 2)).astype(np.float32),
            "labels": np.where(np.arange(8) < 3, 1, -1).astype(np.int8) * np.ones((self.prompts, 1), np.int8),
            "masks": map_of(self.prompts, 3, 32, 48) * 255,
            "known": np.ones((self.prompts, 3), np.float32),
        }


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings learn from noise."""
    monkeypatch.setattr(tiny, "SmearStream", Noise)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished training of three steps; not to be changed."""
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "SmearStream", Noise)
        settings = TinyTraining(steps=3, dense_steps=1, batch=1, workers=0, save_every=100)
        tiny.train_tiny(out, settings, torch.device("cpu"))
    return out
