"""Trainings on annotated images: tiny networks would be others, so the real ones on small pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from cascade.comparators import scale
from cascade.comparators.maskrcnn import joined
from cascade.comparators.protocol import FoundSperm, TrainingData
from cascade.comparators.registry import load_method
from cascade.errors import AnnotationError, ConfigError, ImageError, ModelError, OutputError
from cascade.sam.weightfile import read_note
from cascade.training import augment, unet
from cascade.training.augment import Placement, place, restain
from cascade.training.commands import app
from cascade.training.labels import choose_images, read_labelled, union
from cascade.training.settings import SupervisedTraining
from cascade.training.supervised import agreement, subject_of, train_supervised
from cascade.training.watcher import Watcher
from cascade.types import Region

CPU = torch.device("cpu")
FOUR = SupervisedTraining(steps=4, batch=1, save_every=100, check_every=100)
Data = tuple[Path, Path]


class Recorder(Watcher):
    def __init__(self) -> None:
        self.losses: list[Mapping[str, float]] = []
        self.figures: list[Mapping[str, float]] = []

    def taught(self, step: int, losses: Mapping[str, float]) -> None:
        self.losses.append(losses)

    def checked(self, step: int, figures: Mapping[str, float]) -> None:
        self.figures.append(figures)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Images are seen 160 pixels wide, on one thread."""
    monkeypatch.setattr(scale, "WORKING_SIDE", 160)
    monkeypatch.setattr(unet, "SHAPE", (128, 128))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def chosen(data: Data) -> TrainingData:
    return choose_images([data[0]], data[1])


def weights_in(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(path / "checkpoint.pt", weights_only=True)["network"]
    return state


# --- which images


def test_the_latest_days_are_held_out(data: Data) -> None:
    chosen = choose_images([data[0]], data[1])
    assert list(chosen.images) == ["a_2023-01-01.png", "b_2023-01-02.png"]
    assert list(chosen.held_out) == ["c_2023-01-03.png"]
    earlier = choose_images([data[0]], data[1], until=date(2023, 1, 2))
    assert list(earlier.images) == ["a_2023-01-01.png"]
    assert list(earlier.held_out) == ["b_2023-01-02.png"]


def test_images_that_cannot_be_chosen(data: Data, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"two days or more, .* found 1 among 3"):
        choose_images([data[0]], data[1], until=date(2023, 1, 1))
    with pytest.raises(ImageError, match=r"found 3 of 3 missing, first 'a_2023-01-01\.png'"):
        choose_images([data[0]], tmp_path)
    undated = json.loads(data[0].read_text())
    undated["images"][0]["file_name"] = "smear.png"
    path = tmp_path / "undated.json"
    path.write_text(json.dumps(undated))
    with pytest.raises(AnnotationError, match=r"a date .* in every image's name, found 'smear\.png'"):
        choose_images([path], data[1])


def test_labels_keep_their_place_at_working_size(data: Data, chosen: TrainingData, crossing) -> None:  # type: ignore[no-untyped-def]
    (image,) = read_labelled(chosen.truths * 2, chosen.held_out)
    assert image.pixels.shape == (128, 160, 3)
    assert [len(expert) for expert in image.experts] == [2, 2]
    for parts, truth in zip(image.experts[0], crossing.sperm, strict=True):
        small_head = union(parts, ("acrosome", "nucleus"))
        head = Region.from_full(truth["acrosome"] | truth["nucleus"])
        assert small_head.area == pytest.approx(head.area / 9, rel=0.1)
        assert np.array(small_head.box) * 3 == pytest.approx(np.array(head.box), abs=3)
        dark = image.pixels[small_head.full((128, 160))].mean()
        assert dark < 150 < image.pixels[0, 0].mean()


# --- augmentation


@pytest.mark.parametrize("seed", range(12))
def test_outlines_go_where_their_pixels_go(seed: int) -> None:
    image = np.full((60, 90, 3), 240, np.uint8)
    image[20:31, 50:71] = 40
    region = Region(np.ones((11, 21), bool), 50, 20)
    placement = place(image.shape, (50, 50) if seed % 2 else None, np.random.default_rng(seed))
    dark = placement.picture(image)[..., 0] < 140
    mask, canvas = placement.mask(region), np.zeros(placement.shape, np.float32)
    placement.paint(region, canvas, 0.5)
    assert np.array_equal(mask, canvas == 0.5)
    assert np.count_nonzero(mask ^ dark) <= 0.08 * max(region.area, 1)


def test_half_of_the_samples_keep_their_pixels() -> None:
    rng = np.random.default_rng(0)
    image = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3)
    kept = [
        sorted(placed.picture(image).reshape(-1, 3).tolist()) == sorted(image.reshape(-1, 3).tolist())
        for placed in (place(image.shape, None, rng) for _ in range(40))
    ]
    assert 8 < sum(kept) < 32
    assert place(image.shape, None, rng, turned=True).shape == (60, 40)


def test_regions_outside_paint_nothing() -> None:
    placement = Placement(np.array([[1.0, 0, 500], [0, 1, 500]]), (20, 20))
    canvas = np.zeros((20, 20), np.float32)
    placement.paint(Region(np.ones((3, 3), bool), 0, 0), canvas, 1.0)
    placement.paint(Region(np.zeros((0, 0), bool), 0, 0), canvas, 1.0)
    assert not canvas.any()
    assert not placement.mask(Region(np.zeros((0, 0), bool), 0, 0)).any()


def test_restained_pictures_differ_and_stay_pictures() -> None:
    image = np.full((20, 20, 3), 240, np.uint8)
    image[5:15, 5:15] = (120, 60, 150)
    several = [restain(image, np.random.default_rng(seed)) for seed in range(8)]
    assert len({one.tobytes() for one in several}) == 8
    for one in several:
        assert one.dtype == np.uint8
        assert one[7:13, 7:13].mean() < one[:3, :3].mean() - 30
    assert augment.WHITE == 240


# --- the figure


def test_agreement_with_experts() -> None:
    head, tail = Region(np.ones((4, 4), bool), 0, 0), Region(np.ones((2, 8), bool), 4, 0)
    truth = {"nucleus": head, "tail": tail}
    from cascade.training.labels import LabelledImage

    image = LabelledImage(np.zeros((8, 16, 3), np.uint8), ((truth,), (truth, truth)))
    exact = FoundSperm({"head": head, "tail": tail}, 1.0)
    assert agreement([[exact]], [image])["mIoU"] == pytest.approx(2 / 3, abs=1e-3)
    assert agreement([[]], [image]) == {"mIoU": 0.0, "F1": 0.0, "head IoU": 0.0}
    half = FoundSperm({"head": head}, 1.0)
    one = LabelledImage(image.pixels, ((truth,),))
    assert agreement([[half]], [one]) == {"mIoU": 0.5, "F1": 1.0, "head IoU": 1.0}


def test_each_sperm_takes_the_head_that_it_contains() -> None:
    head, other = Region(np.ones((4, 4), bool), 0, 0), Region(np.ones((4, 4), bool), 40, 40)
    whole, alone = Region(np.ones((4, 20), bool), 0, 0), Region(np.ones((2, 9), bool), 80, 0)
    found = joined([(whole, 0.9), (alone, 0.6)], [(head, 0.8), (other, 0.7)])
    assert [(sorted(one.parts), one.score) for one in found] == [
        (["head", "tail"], 0.9),
        (["tail"], 0.6),
        (["head"], 0.35),
    ]
    assert found[0].parts["tail"].area == 64
    assert joined([], []) == []


# --- the loop


@pytest.mark.parametrize("method", ["unet", "maskrcnn"])
def test_stopped_and_gone_on_is_the_same_as_never_stopped(
    tmp_path: Path, chosen: TrainingData, method: str
) -> None:
    subject = subject_of(method)
    whole = train_supervised(subject, chosen, tmp_path / "whole", FOUR, CPU)
    assert whole == tmp_path / "whole" / f"{method}.safetensors"
    watcher, out = Recorder(), tmp_path / "parts"
    stopped = train_supervised(subject, chosen, out, FOUR, CPU, watcher, lambda: len(watcher.losses) == 2)
    assert stopped is None
    assert len(watcher.losses) == 2
    train_supervised(subject, chosen, out, FOUR, CPU, watcher)
    assert len(watcher.losses) == 4
    assert all(np.isfinite(list(losses.values())).all() for losses in watcher.losses)
    assert len(watcher.figures) == 1
    one, other = weights_in(tmp_path / "whole"), weights_in(out)
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    note = read_note(whole, method)
    assert (note["step"], note["images"], note["held_out"], note["seed"]) == (4, 2, 1, 0)
    found = load_method(method, "cpu", weights=whole).predict(np.full((96, 120, 3), 230, np.uint8))
    assert all(isinstance(one, FoundSperm) for one in found)
    assert train_supervised(subject, chosen, out, FOUR, CPU) == out / f"{method}.safetensors"  # nothing to do


@pytest.mark.slow
@pytest.mark.parametrize(("method", "steps", "name"), [("unet", 50, "head"), ("maskrcnn", 30, "map")])
def test_it_learns_one_smear(
    tmp_path: Path, chosen: TrainingData, method: str, steps: int, name: str
) -> None:
    watcher = Recorder()
    settings = SupervisedTraining(steps=steps, batch=1, rate=2e-3, save_every=100, check_every=100)
    train_supervised(subject_of(method), chosen, tmp_path, settings, CPU, watcher)
    first = np.mean([losses[name] for losses in watcher.losses[:3]])
    last = np.mean([losses[name] for losses in watcher.losses[-3:]])
    assert last < 0.6 * first


def test_the_best_weights_are_kept(
    tmp_path: Path, chosen: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.3, 0.7, 0.5])
    from cascade.training import supervised

    monkeypatch.setattr(supervised, "agreement", lambda *_: {"mIoU": next(figures)})
    settings = SupervisedTraining(steps=3, batch=1, save_every=100, check_every=1)
    weights = train_supervised(subject_of("unet"), chosen, tmp_path, settings, CPU)
    assert weights is not None
    note = read_note(weights, "unet")
    assert (note["step"], note["held-out mIoU"]) == (2, 0.7)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["held_out"]["mIoU"] for line in lines] == [0.3, 0.7, 0.5]


def test_a_training_ends_in_time(
    tmp_path: Path, chosen: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cascade.training.log import JsonLog

    monkeypatch.setattr(JsonLog, "seconds", property(lambda self: 61.0))
    watcher = Recorder()
    settings = SupervisedTraining(steps=50, batch=1, minutes=1)
    weights = train_supervised(subject_of("unet"), chosen, tmp_path, settings, CPU, watcher)
    assert weights is not None
    assert len(watcher.losses) == 1
    assert len(watcher.figures) == 1


def test_what_must_not_differ_on_going_on(tmp_path: Path, data: Data, chosen: TrainingData) -> None:
    one = SupervisedTraining(steps=1, batch=1)
    train_supervised(subject_of("unet"), chosen, tmp_path, one, CPU)
    with pytest.raises(ConfigError, match="seed 3 instead of 0"):
        train_supervised(subject_of("unet"), chosen, tmp_path, SupervisedTraining(1, 1, seed=3), CPU)
    with pytest.raises(ConfigError, match="method maskrcnn instead of unet"):
        train_supervised(subject_of("maskrcnn"), chosen, tmp_path, one, CPU)
    fewer = TrainingData(chosen.truths, dict(list(chosen.images.items())[:1]), chosen.held_out)
    with pytest.raises(ConfigError, match=r"data .* instead of"):
        train_supervised(subject_of("unet"), fewer, tmp_path, one, CPU)
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(OutputError, match=r"found unet\.safetensors alone"):
        train_supervised(subject_of("unet"), chosen, tmp_path, one, CPU)


def test_weights_of_another_method_are_refused(tmp_path: Path, chosen: TrainingData) -> None:
    weights = train_supervised(subject_of("unet"), chosen, tmp_path, SupervisedTraining(1, 1), CPU)
    with pytest.raises(ModelError, match="expected the architecture 'maskrcnn', found unet"):
        load_method("maskrcnn", "cpu", weights=weights)
    with pytest.raises(ModelError, match="found no file"):
        load_method("unet", "cpu", weights=tmp_path / "none.safetensors")


def test_settings_out_of_range() -> None:
    for name, value in (("steps", 0), ("check_every", 0), ("minutes", -1), ("rate", 0.0)):
        with pytest.raises(ConfigError, match=f"{name}: expected .*found {value}"):
            SupervisedTraining(**{name: value})  # type: ignore[arg-type]


# --- the command and the card


def test_the_command_trains_and_writes_a_card(tmp_path: Path, data: Data) -> None:
    quick = [
        "--steps",
        "1",
        "--batch",
        "1",
        "--device",
        "cpu",
        "--data",
        str(data[0]),
        "--images",
        str(data[1]),
    ]
    done = CliRunner().invoke(app, ["unet", "--out", str(tmp_path / "out"), *quick, "--until", "2023-01-03"])
    assert done.exit_code == 0, done.stderr
    assert "on 2 images; 1 of the latest days are held out" in done.stderr.replace("\n", " ")
    weights = tmp_path / "out" / "unet.safetensors"
    assert weights.is_file()
    scores = tmp_path / "scores.json"
    scores.write_text('{"images": 1.0, "mIoU": 0.5}')
    log = tmp_path / "out" / "log.jsonl"
    options = ["--scores", str(scores), "--scored-on", "one smear", "--log", str(log)]
    assert CliRunner().invoke(app, ["card", str(weights), *options]).exit_code == 0
    card = weights.with_suffix(".md").read_text()
    for expected in (
        "# unet",
        "non-commercial",
        "cs3 train unet --data",
        "--steps 1",
        "![Learning curve](unet.svg)",
    ):
        assert expected in card
    assert weights.with_suffix(".svg").read_text().startswith("<svg")
    assert weights.with_suffix(".log.jsonl").read_text() == log.read_text()
