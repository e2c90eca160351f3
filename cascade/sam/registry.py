"""Models by name or by path, on the device asked for.

torch is imported when a model is loaded, not before, so that `cs3 --help` and `cs3 models list` answer at
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cascade.errors import DeviceError, ModelError
from cascade.sam import checkpoints
from cascade.sam.download import Progress
from cascade.sam.protocol import PromptableModel

TINY = "tiny"
TINY_WEIGHTS = Path(__file__).parent / "weights" / "tiny.safetensors"


@dataclass(frozen=True)
class ModelInfo:
    """A model that `load_model` knows by name.

    Attributes:
        name: as `load_model` takes it.
        state: "ready" where it is here and whole; see `checkpoints.state`.
        size: bytes of its weights.
        path: where the weights are or will be.
    """

    name: str
    state: checkpoints.State
    size: int
    path: Path


def load_model(
    name_or_path: str | Path = TINY, device: str = "auto", progress: Progress | None = None
) -> PromptableModel:
    """A model, ready on its device.

    Args:
        name_or_path: "tiny", "vit_b", "vit_l", "vit_h", or the path of a .pth, .pt or .safetensors file.
            Meta's checkpoints are fetched when they are not in the cache yet.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
        progress: called with (bytes there, bytes in all) while a checkpoint is fetched.

    Raises:
        DeviceError: the device is not there.
        ModelError: unknown name, or weights that are missing, damaged, hostile or another architecture's.
    """
    device = resolve_device(device)
    if name_or_path == TINY:
        return _load_tiny(built_in(), device)
    if isinstance(name_or_path, str) and name_or_path in checkpoints.CHECKPOINTS:
        return _load_named(name_or_path, device, progress)
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise ModelError(
            f"there is no model {str(name_or_path)!r}: expected one of {', '.join(_names())}, "
            f"or the path of a checkpoint file, and no file is there"
        )
    return _load_file(path, device)


def resolve_device(device: str) -> str:
    """The device to use: "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: a GPU is asked for that is not there, or the name is none of these.
    """
    import torch  # noqa: PLC0415  slow to import

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return device
    kind, _, number = device.partition(":")
    if kind != "cuda" or (device != kind and not number.isdecimal()):
        raise DeviceError(f"unknown device {device!r}: expected auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        why = (
            "this torch was built without CUDA"
            if torch.version.cuda is None
            else "no usable NVIDIA GPU or driver"
        )
        raise DeviceError(
            f"device {device!r} was asked for, but torch sees no GPU ({why}). Use the device cpu or auto, or "
            f"install the NVIDIA driver and a CUDA build of torch"
        )
    if int(number or 0) >= count:
        raise DeviceError(f"device {device!r} was asked for, but there are {count} GPUs, numbered from 0")
    return device


def built_in() -> Path:
    """Weights of the model that ships with the package.

    Raises:
        ModelError: the installation lacks them.
    """
    if not TINY_WEIGHTS.is_file():
        raise ModelError(
            f"this installation lacks {TINY_WEIGHTS}, which belongs to the package; reinstall cs3"
        )
    return TINY_WEIGHTS


def list_models() -> list[ModelInfo]:
    """Every model known by name, the built-in one first. Reads no weights and uses no network."""
    here = TINY_WEIGHTS.is_file()
    tiny = ModelInfo(
        TINY, "ready" if here else "missing", TINY_WEIGHTS.stat().st_size if here else 0, TINY_WEIGHTS
    )
    return [
        tiny,
        *(
            ModelInfo(name, checkpoints.state(name), checkpoint.size, checkpoint.path)
            for name, checkpoint in checkpoints.CHECKPOINTS.items()
        ),
    ]


def _names() -> list[str]:
    return [TINY, *checkpoints.CHECKPOINTS]


def _load_tiny(path: Path, device: str) -> PromptableModel:
    import torch  # noqa: PLC0415  slow to import

    from cascade.sam.tiny import load_tiny  # noqa: PLC0415  imports torch

    return load_tiny(path, torch.device(device))


def _load_named(name: str, device: str, progress: Progress | None) -> PromptableModel:
    checkpoint = checkpoints.lookup(name)
    # A damaged file is the user's to replace, a missing one ours to fetch.
    path = checkpoints.locate(name) if checkpoint.is_here else checkpoints.fetch(name, progress)
    return _load_meta(path, name, checkpoint.sha256, device)


def _load_file(path: Path, device: str) -> PromptableModel:
    from cascade.sam.statedict import declared_architecture  # noqa: PLC0415  imports torch

    if declared_architecture(path) == TINY:
        return _load_tiny(path, device)
    return _load_meta(path, path.name, checkpoints.sha256_of(path), device)


def _load_meta(path: Path, name: str, sha256: str, device: str) -> PromptableModel:
    from cascade.sam.meta import from_state  # noqa: PLC0415  imports torch
    from cascade.sam.statedict import read_state, recognise  # noqa: PLC0415

    state = read_state(path)
    return from_state(recognise(state, path), state, name, sha256, device)
