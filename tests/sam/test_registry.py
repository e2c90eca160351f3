"""Devices, names, and files that are not what they claim."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cascade.errors import DeviceError, ModelError
from cascade.sam import checkpoints
from cascade.sam.meta import weight_shapes
from cascade.sam.registry import load_model, resolve_device

PATCHES = "image_encoder.patch_embed.proj.weight"


class Code:
    """Runs a function when unpickled carelessly."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.marker,)


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


# --- devices


def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch)
    assert resolve_device("auto") == "cpu"
    two_gpus(monkeypatch)
    assert resolve_device("auto") == "cuda"
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("cuda") == "cuda"
    assert resolve_device("cuda:1") == "cuda:1"


def test_cuda_without_a_gpu_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch)
    with pytest.raises(DeviceError, match=r"torch sees no GPU.*cpu or auto"):
        resolve_device("cuda")
    with pytest.raises(DeviceError, match="torch sees no GPU"):
        load_model("vit_b", device="cuda:0")


def test_a_gpu_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    two_gpus(monkeypatch)
    with pytest.raises(DeviceError, match="there are 2 GPUs"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "mps"])
def test_other_devices_are_refused(device: str) -> None:
    with pytest.raises(DeviceError, match="expected auto, cpu, cuda or cuda:N"):
        resolve_device(device)


# --- files


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'vit_x': expected one of tiny, vit_b, vit_l, vit_h"):
        load_model("vit_x", "cpu")


@pytest.mark.parametrize("name", ["gone.pth", "gone.safetensors", "."])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="no file is there"):
        load_model(tmp_path / name, "cpu")


def test_another_file_type_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    with pytest.raises(ModelError, match=r"ending in \.pth, \.pt, \.safetensors, found '.png'"):
        load_model(tmp_path / "image.png", "cpu")


@pytest.mark.parametrize("keep", [0, 1, 100, 4000, -10])
def test_a_truncated_pickle_is_damaged(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path / "sam.pth", {PATCHES: torch.zeros(768, 3, 16, 16)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or truncated"):
        load_model(path, "cpu")


@pytest.mark.parametrize(
    "content", [b"<html>log in</html>", bytes(1000), b"PK\x03\x04" + bytes(99), b"\x80\x02."]
)
def test_something_else_named_pth_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or truncated"):
        load_model(path, "cpu")


@pytest.mark.parametrize("keep", [0, 4, 50, -10])
def test_truncated_safetensors_are_damaged(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "sam.safetensors"
    save_file({PATCHES: torch.zeros(768, 3, 16, 16)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or truncated"):
        load_model(path, "cpu")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, zipped: bool) -> None:
    path, marker = tmp_path / "sam.pth", tmp_path / "ran"
    content = {PATCHES: torch.zeros(1), "code": Code(marker)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"holds Python objects besides tensors.*could run code"):
        load_model(path, "cpu")
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # so the file was a danger indeed


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([torch.zeros(2)], "expected a state dict, found list"),
        ({}, "found nothing"),
        ({"model": {PATCHES: torch.zeros(2)}, "epoch": 3}, "found model, epoch that are none"),
    ],
    ids=["list", "empty", "training checkpoint"],
)
def test_a_pickle_without_a_state_dict_is_refused(tmp_path: Path, content: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        load_model(saved(tmp_path / "sam.pth", content), "cpu")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"conv1.weight": torch.zeros(2)}, "found no such weight among conv1.weight"),
        ({PATCHES: torch.zeros(192, 3, 16, 16)}, r"found one of shape \(192, 3, 16, 16\)"),
        ({PATCHES: torch.zeros(768, 3, 16, 16)}, r"looks like vit_b, but its weights differ \(313 missing"),
        (
            {PATCHES: torch.zeros(1280, 3, 16, 16), "more": torch.zeros(1)},
            r"looks like vit_h.*1 unknown: more",
        ),
    ],
    ids=["no SAM", "another width", "only a piece", "more"],
)
def test_another_architecture_is_refused(tmp_path: Path, state: dict[str, torch.Tensor], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        load_model(saved(tmp_path / "sam.pth", state), "cpu")
    save_file(state, tmp_path / "sam.safetensors")
    with pytest.raises(ModelError, match=told):
        load_model(tmp_path / "sam.safetensors", "cpu")


def test_a_weight_of_another_shape_is_told(tmp_path: Path) -> None:
    state = {key: torch.zeros(1).expand(shape) for key, shape in weight_shapes("vit_b").items()}
    state["mask_decoder.iou_token.weight"] = torch.zeros(2, 256)
    with pytest.raises(ModelError, match=r"1 of another shape: mask_decoder.iou_token.weight"):
        load_model(saved(tmp_path / "sam.pth", state), "cpu")


def test_safetensors_that_say_tiny_go_to_the_small_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.safetensors"
    save_file({"weight": torch.zeros(1)}, path, metadata={"architecture": "tiny"})
    monkeypatch.setattr("cascade.sam.tiny.load_tiny", lambda path, device: (path, device))
    assert load_model(path, "cpu") == (path, torch.device("cpu"))


# --- Meta's checkpoints by name


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a table whose server does not exist."""
    entry = checkpoints.Checkpoint("vit_b", "sam_vit_b.pth", 5, "0" * 64, "http://127.0.0.1:1/sam_vit_b.pth")
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", {"vit_b": entry})
    monkeypatch.setenv("CS3_MODELS", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


def test_a_model_that_is_missing_is_fetched_or_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"no connection to 127.0.0.1.*by hand.*sam_vit_b.pth"):
        load_model("vit_b", "cpu")


def test_a_damaged_model_is_not_loaded(cache: Path) -> None:
    (cache / "sam_vit_b.pth").write_bytes(b"12345")
    with pytest.raises(ModelError, match=r"damaged: expected sha256 0000.*cs3 models fetch vit_b"):
        load_model("vit_b", "cpu")


def test_asking_for_models_does_not_import_torch() -> None:
    code = "import sys, cascade.sam.commands as c; c.registry.list_models(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
