"""The loop, its checkpoints, its log: a few steps on small pictures of noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cascade.errors import ConfigError, ModelError, OutputError
from cascade.sam.tiny import load_tiny, read_network, read_training, save_tiny
from cascade.sam.tiny_network import TinySam
from cascade.training import tiny as training
from cascade.training.log import JsonLog
from cascade.training.settings import TinyTraining
from cascade.training.tiny import train_tiny
from cascade.training.watcher import Watcher

CPU = torch.device("cpu")
THREE = TinyTraining(steps=3, dense_steps=1, batch=1, workers=0, save_every=100)
pytestmark = pytest.mark.usefixtures("noise")


class Recorder(Watcher):
    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.losses: dict[int, Mapping[str, float]] = {}

    def begin(self, step: int, steps: int) -> None:
        self.begun.append((step, steps))

    def taught(self, step: int, losses: Mapping[str, float]) -> None:
        self.losses[step] = losses


def state(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "checkpoint.pt", weights_only=True)
    return found


def flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}")
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from flat(inner, f"{name}.{key}")
    else:
        yield name, value


def differing(one: Path, other: Path) -> list[str]:
    """Names of everything in two checkpoints that is not exactly equal."""
    a, b = dict(flat(state(one))), dict(flat(state(other)))
    assert a.keys() == b.keys()
    return [
        name
        for name, value in a.items()
        if not (torch.equal(value, b[name]) if isinstance(value, torch.Tensor) else value == b[name])
    ]


# --- a training


def test_dense_maps_first_prompts_after(tmp_path: Path) -> None:
    watcher = Recorder()
    assert train_tiny(tmp_path, THREE, CPU, watcher) == 3
    assert watcher.begun == [(0, 3)]
    dense = {"head", "tail", "direction", "owner"}
    assert set(watcher.losses[1]) == dense
    assert set(watcher.losses[2]) == set(watcher.losses[3]) == dense | {"mask", "score", "iou"}
    assert all(np.isfinite(list(losses.values())).all() for losses in watcher.losses.values())
    assert state(tmp_path)["step"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.pt", "tiny.safetensors", "log.jsonl"}


def test_the_weights_are_the_average_and_know_their_settings(trained: Path) -> None:
    noted = read_training(trained / "tiny.safetensors")
    assert noted == {
        "steps": 3, "dense_steps": 1, "batch": 1, "rate": 0.002, "seed": 0, "threads": 0, "workers": 0,
        "save_every": 100, "init": "", "unlabelled": "", "step": 3,
    }  # fmt: skip
    average = {
        key.removeprefix("module."): value
        for key, value in state(trained)["average"].items()
        if key.startswith("module.")
    }
    loaded = read_network(trained / "tiny.safetensors").state_dict()
    assert all(torch.equal(loaded[key], average[key].half().float()) for key in loaded)
    encoding = load_tiny(trained / "tiny.safetensors").encode(np.zeros((32, 32, 3), np.uint8), 45)
    assert np.isfinite(encoding.dense.tail).all()


def test_every_weight_learns(trained: Path) -> None:
    torch.manual_seed(THREE.seed)
    before, after = TinySam().state_dict(), state(trained)["network"]
    idle = {key for key in before if torch.equal(before[key], after[key])}
    # Of SAM's prompt encoder, boxes and masks as prompts are not used, nor points off the object.
    unused = ("pixel_", "prompt_encoder.pe_layer", "prompt_encoder.no_mask", "prompt_encoder.point_emb")
    assert [key for key in idle if not key.startswith(unused)] == []


def test_a_seed_is_a_training(tmp_path: Path, trained: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        train_tiny(tmp_path / name, TinyTraining(**{**vars(THREE), "seed": seed}), CPU)
    assert differing(trained, tmp_path / "same") == []
    assert len(differing(trained, tmp_path / "other")) > 100


def test_a_training_that_diverges_stops_and_keeps_its_checkpoint(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (trained / "checkpoint.pt").stat().st_mtime_ns
    nan = torch.tensor(torch.nan, requires_grad=True)
    monkeypatch.setattr(training, "dense_loss", lambda features, batch: {"head": nan})
    with pytest.raises(ModelError, match="step 4: expected finite losses, found nan"):
        train_tiny(trained, TinyTraining(**{**vars(THREE), "steps": 5}), CPU)
    assert (trained / "checkpoint.pt").stat().st_mtime_ns == kept


# --- going on


@pytest.mark.parametrize("after", [1, 2])
def test_stopped_and_gone_on_is_the_same_as_never_stopped(tmp_path: Path, trained: Path, after: int) -> None:
    watcher = Recorder()
    stopped = train_tiny(tmp_path, THREE, CPU, watcher, stop=lambda: len(watcher.losses) == after)
    assert stopped == state(tmp_path)["step"] == after
    assert read_training(tmp_path / "tiny.safetensors")["step"] == after
    resumed, free = Recorder(), {"save_every": 7, "threads": torch.get_num_threads()}
    assert train_tiny(tmp_path, TinyTraining(**{**vars(THREE), **free}), CPU, resumed) == 3
    assert resumed.begun == [(after, 3)]
    assert list(resumed.losses) == list(range(after + 1, 4))
    assert differing(trained, tmp_path) == [".settings.threads", ".settings.save_every"]


def test_a_finished_training_is_left_as_it_is(trained: Path) -> None:
    before = (trained / "checkpoint.pt").stat().st_mtime_ns
    watcher = Recorder()
    assert train_tiny(trained, THREE, CPU, watcher) == 3
    assert watcher.losses == {}
    assert (trained / "checkpoint.pt").stat().st_mtime_ns == before


def test_checkpoints_appear_on_the_way(tmp_path: Path) -> None:
    seen = []

    def look() -> bool:
        seen.append(state(tmp_path)["step"] if (tmp_path / "checkpoint.pt").exists() else 0)
        return False

    three = TinyTraining(**{**vars(THREE), "dense_steps": 0, "save_every": 2})
    train_tiny(tmp_path, three, CPU, stop=look)
    assert seen == [0, 0, 2]  # looked at before the step is saved
    assert state(tmp_path)["step"] == 3


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("seed", 5, "seed 5 instead of 0"),
        ("batch", 2, "batch 2 instead of 1"),
        ("rate", 0.001, "rate 0.001 instead of 0.002"),
        ("dense_steps", 2, "dense-steps 2 instead of 1"),
        ("steps", 2, "step 3 is reached; ask for more steps"),
    ],
)
def test_what_must_not_differ_on_going_on(trained: Path, name: str, value: float, told: str) -> None:
    before = (trained / "log.jsonl").read_text(), (trained / "checkpoint.pt").stat().st_mtime_ns
    with pytest.raises(ConfigError, match=told):
        train_tiny(trained, TinyTraining(**{**vars(THREE), name: value}), CPU)
    assert before == ((trained / "log.jsonl").read_text(), (trained / "checkpoint.pt").stat().st_mtime_ns)


def test_starting_from_weights(tmp_path: Path, trained: Path) -> None:
    init = trained / "tiny.safetensors"
    gentle = TinyTraining(steps=1, dense_steps=0, batch=1, rate=1e-9, workers=0)
    train_tiny(tmp_path, gentle, CPU, init=init)
    first, now = read_network(init).state_dict(), state(tmp_path)["network"]
    weight = "mask_decoder.mix.0.body.0.weight"
    torch.testing.assert_close(now[weight], first[weight], rtol=0, atol=1e-6)
    assert len(read_training(tmp_path / "tiny.safetensors")["init"]) == 64
    with pytest.raises(ConfigError, match="init none instead of"):
        train_tiny(tmp_path, gentle, CPU)


def test_weights_without_a_checkpoint_are_not_replaced(tmp_path: Path) -> None:
    save_tiny(TinySam(), tmp_path / "tiny.safetensors", {})
    with pytest.raises(OutputError, match=r"found tiny\.safetensors alone"):
        train_tiny(tmp_path, THREE, CPU)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no checkpoint at all"])
def test_a_damaged_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelError, match="found a damaged file"):
        train_tiny(tmp_path, THREE, CPU)


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    torch.save({"model": torch.zeros(1)}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="found model; choose another folder"):
        train_tiny(tmp_path, THREE, CPU)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="a file is where a folder should be"):
        train_tiny(tmp_path / "out", THREE, CPU)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("batch", 0), ("save_every", 0), ("seed", -1), ("rate", 0.0), ("rate", 2.0)],
)
def test_settings_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name}: expected .*found {value}"):
        TinyTraining(**{name: value})  # type: ignore[arg-type]


# --- the log


def test_a_line_every_twenty_steps_with_means(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log.jsonl")
    for step in range(1, 46):
        log(step, {"head": float(step)} | ({"mask": 1.0} if step > 30 else {}))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert [line["head"] for line in lines] == [10.5, 30.5]
    assert "mask" not in lines[0]
    assert lines[1]["mask"] == 1
    assert 0 <= lines[0]["seconds"] <= lines[1]["seconds"]


def test_a_log_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 20, "seconds": 50.0}\n{"step": 40, "seconds": 99.0}\n{"step": 60, "sec')
    log = JsonLog(path, step=30)
    for step in range(31, 41):
        log(step, {"head": 1.0})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40]
    assert lines[1]["seconds"] == pytest.approx(50, abs=5)
    assert lines[1]["head"] == 1


# --- with workers


@pytest.mark.slow
def test_real_smears_drawn_by_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    import multiprocessing

    watcher = Recorder()
    settings = TinyTraining(steps=2, dense_steps=1, batch=1, workers=1)
    assert train_tiny(tmp_path, settings, CPU, watcher) == 2
    assert set(watcher.losses[2]) > {"mask", "iou"}
    assert multiprocessing.active_children() == []
