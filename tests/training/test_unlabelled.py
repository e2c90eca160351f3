"""Self-distillation: windows of an image drawn by hand, and what is kept of a real one."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import cascade
from cascade.errors import ConfigError, ImageError, ModelError
from cascade.inputs import find_inputs
from cascade.preprocess import WHITE
from cascade.sam.registry import load_model
from cascade.training import samples, unlabelled
from cascade.training.samples import SmearStream, sample
from cascade.training.scene import HEAD_LENGTHS, SHAPE, Scene, SceneSperm
from cascade.training.settings import TinyTraining
from cascade.training.tiny import train_tiny
from cascade.training.unlabelled import Believed, believe, fingerprint, window
from cascade.training.watcher import Watcher
from cascade.types import Region

EXAMPLE = Path(cascade.__file__).parent / "examples" / "papanicolaou.png"
HEIGHT, WIDTH = 1000, 1200
HEAD_LENGTH = 80.0
SEEDS = range(30)


@pytest.fixture(scope="module")
def believed() -> Believed:
    """A dark head left, its dark straight tail to the right; a grey fleck below, of which nothing is sure."""
    image = np.full((HEIGHT, WIDTH, 3), WHITE, np.uint8)
    head, tail, fleck = (np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(3))
    cv2.ellipse(head, (300, 500), (40, 25), 0, 0, 360, 1, -1)
    cv2.line(tail, (341, 500), (900, 500), 1, 9)
    cv2.circle(fleck, (600, 650), 30, 1, -1)
    image[(head | tail) > 0] = 60
    image[fleck > 0] = 150
    line = np.stack([np.arange(341, 901, 2), np.full(280, 500)], -1).astype(float)
    sperm = SceneSperm(7, Region.from_full(head > 0), Region.from_full(tail > 0), line)
    return Believed(image, HEAD_LENGTH, (sperm,), fleck > 0)


@pytest.fixture(scope="module")
def windows(believed: Believed) -> list[Scene]:
    return [window(believed, np.random.default_rng(seed)) for seed in SEEDS]


def inner(region: Region) -> np.ndarray:
    """Its pixels without their edge, which is shared with what lies beside."""
    eroded = cv2.erode(region.full(SHAPE).astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(eroded > 0)


def test_windows_show_what_is_believed_where_it_is(windows: list[Scene]) -> None:
    heads = tails = 0
    for scene in windows:
        assert scene.image.shape == (*SHAPE, 3)
        assert HEAD_LENGTHS[0] <= scene.head_length <= HEAD_LENGTHS[1]
        for one in scene.sperm:
            assert one.sperm_id == 7
            if one.head is not None:
                heads += 1
                assert (scene.image[inner(one.head)] < 70).all()
            if one.flagellum is not None:
                tails += 1
                x, y = one.flagellum_centreline.round().astype(int).T
                assert (scene.image[y, x] < 90).all()
                assert one.flagellum.full(SHAPE)[y, x].all()
                assert (np.diff(x) >= 0).all()  # from the head on
        # Whatever is dark is known.
        dark = scene.image[..., 0] < 100
        known = np.zeros(SHAPE, bool)
        for one in scene.sperm:
            for region in (one.head, one.flagellum):
                known |= region.full(SHAPE) if region is not None else False
        assert not (dark & ~cv2.dilate(known.astype(np.uint8), np.ones((3, 3))).astype(bool)).any()
    assert heads > 10
    assert tails > 10


def test_scale_follows_the_head_length(windows: list[Scene]) -> None:
    for scene in windows:
        for one in scene.sperm:
            x0, _, x1, _ = one.head.box if one.head is not None else (0, 0, 0, 0)
            if x0 > 0 and x1 < SHAPE[1]:
                assert x1 - x0 == pytest.approx(scene.head_length * 81 / HEAD_LENGTH, abs=2.5)


def test_nothing_is_sure_at_flecks_and_beyond_the_border(windows: list[Scene]) -> None:
    flecks = 0
    for scene in windows:
        assert scene.unsure is not None
        grey = np.abs(scene.image[..., 0].astype(int) - 150) < 5
        flecks += grey.any()
        core = cv2.erode(grey.astype(np.uint8), np.ones((5, 5))) > 0
        assert scene.unsure[core].all()
        height, width = (side * scene.head_length / HEAD_LENGTH for side in (HEIGHT, WIDTH))
        seen = min(height, SHAPE[0]) * min(width, SHAPE[1])
        assert (~scene.unsure).sum() <= seen + sum(SHAPE)
    assert flecks > 5
    assert any(scene.unsure is not None and scene.unsure[0].all() for scene in windows)


def test_a_hairline_of_doubt_does_not_vanish_when_shrunk(believed: Believed) -> None:
    hairline = np.zeros((HEIGHT, WIDTH), bool)
    hairline[::40, :] = True
    hairline[:, ::40] = True
    for seed in SEEDS:
        scene = window(replace(believed, unsure=hairline), np.random.default_rng(seed))
        assert scene.unsure is not None
        # Between two hairlines lie 40 pixels of the image: no square of more than that is sure all over.
        side = math.ceil(40 * scene.head_length / HEAD_LENGTH) + 1
        sure = cv2.erode((~scene.unsure).astype(np.uint8), np.ones((side, side)), borderValue=0)
        assert not sure.any()


def test_a_sample_of_a_window_says_where_it_is_sure(windows: list[Scene]) -> None:
    for seed, scene in enumerate(windows):
        one = sample(scene, np.random.default_rng(seed), 2)
        assert one["sure"].shape == SHAPE
        assert scene.unsure is not None
        assert one["sure"].sum() == (~scene.unsure).sum()


def test_a_tail_that_leaves_the_window_keeps_its_longest_stretch() -> None:
    there = np.stack([np.linspace(-50, 100, 76), np.full(76, 20.0)], -1)
    line = np.concatenate([there, [[101, -5], [102, 5], [103, 5]]])
    kept = unlabelled._in_view(line)
    assert np.array_equal(kept, line[(line[:, 0] >= 0) & (line[:, 0] <= 100)])
    assert unlabelled._in_view(np.zeros((0, 2))).shape == (0, 2)
    assert unlabelled._in_view(np.array([[-1.0, 0.0]])).shape == (0, 2)


# --- what is kept of images


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one synthetic smear."""
    folder = tmp_path_factory.mktemp("pictures")
    shutil.copy(EXAMPLE, folder)
    return folder


@pytest.mark.slow
def test_what_the_cascade_is_sure_of_is_believed_and_kept(pictures: Path, tmp_path: Path) -> None:
    images, model = find_inputs([pictures]), load_model("tiny", device="cpu")
    once = believe(images, tmp_path, model, Watcher(), lambda: False)
    assert once is not None
    (one,) = once
    assert one.sperm
    for sperm in one.sperm:
        assert sperm.head is not None
        assert sperm.flagellum is not None
        pixels = sperm.head.full(one.unsure.shape) | sperm.flagellum.full(one.unsure.shape)
        assert not (pixels & one.unsure).any()
        near = np.linalg.norm(sperm.flagellum_centreline[0] - np.array(sperm.head.box[:2]))
        far = np.linalg.norm(sperm.flagellum_centreline[-1] - np.array(sperm.head.box[:2]))
        assert near < far
    assert 0 < one.unsure.mean() < 0.2
    kept = next(tmp_path.iterdir())
    again = believe(images, tmp_path, model, Watcher(), lambda: True)  # nothing is left to stop
    assert again is not None
    assert np.array_equal(again[0].unsure, one.unsure)
    assert [s.sperm_id for s in again[0].sperm] == [s.sperm_id for s in one.sperm]
    kept.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ModelError, match="what the cascade believes of an image, found a damaged file"):
        believe(images, tmp_path, model, Watcher(), lambda: False)


def test_a_blank_slide_teaches_nothing(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((200, 300, 3), 235, np.uint8))
    model = load_model("tiny", device="cpu")
    images = find_inputs([tmp_path])
    with pytest.raises(ImageError, match="sure of some sperm, found none in 1 files"):
        believe(images, tmp_path / "kept", model, Watcher(), lambda: False)


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_left_out_and_named(pictures: Path, tmp_path: Path) -> None:
    class Listening(Watcher):
        def __init__(self) -> None:
            self.left_out: list[str] = []

        def skipped(self, error: Exception) -> None:
            self.left_out.append(str(error))

    broken = tmp_path / "a-broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    watcher = Listening()
    images = [broken, *find_inputs([pictures])]
    found = believe(images, tmp_path / "kept", load_model("tiny", device="cpu"), watcher, lambda: False)
    assert found is not None
    assert len(found) == 1
    assert len(watcher.left_out) == 1
    assert "a-broken.png" in watcher.left_out[0]


@pytest.mark.slow
def test_what_another_model_believes_is_not_taken_over(pictures: Path, tmp_path: Path) -> None:
    images, model = find_inputs([pictures]), load_model("tiny", device="cpu")
    believe(images, tmp_path, model, Watcher(), lambda: False)
    model.sha256 = "0" * 64
    assert (
        believe(images, tmp_path, model, Watcher(), lambda: True) is None
    )  # there is something left to stop


def test_a_stream_shows_windows_among_smears(believed: Believed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_UNLABELLED", 1.0)
    drawn = list(islice(SmearStream(0, prompts=1, believed=[believed]), 8))
    assert all(one["sure"].min() == 0 for one in drawn)  # the fleck, or what lies beyond the border


def test_a_stop_before_the_first_image(pictures: Path, tmp_path: Path) -> None:
    model = load_model("tiny", device="cpu")
    assert believe(find_inputs([pictures]), tmp_path, model, Watcher(), lambda: True) is None
    assert not list(tmp_path.iterdir())


def test_other_bytes_are_another_training(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    assert fingerprint([first, second]) == fingerprint([first, second])
    assert fingerprint([first, second]) != fingerprint([second, first])
    assert fingerprint([first]) != fingerprint([])


def test_unlabelled_images_need_weights_to_look_at_them(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected weights to look at the images with"):
        train_tiny(tmp_path, TinyTraining(), torch.device("cpu"), unlabelled=find_inputs([pictures]))
