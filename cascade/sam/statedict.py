"""Reading weights from files that may be damaged or hostile, and telling which SAM they are of."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cascade.errors import ModelError
from cascade.sam.meta import weight_shapes

PICKLES = (".pth", ".pt")
SAFETENSORS = ".safetensors"

_PATCH_EMBEDDING = "image_encoder.patch_embed.proj.weight"
_WIDTHS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
_SHOWN = 3

# What the readers of zip archives and pickles raise on bytes that are not theirs.
_UNREADABLE = (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OSError)


def declared_architecture(path: Path) -> str:
    """The `architecture` that a safetensors file's metadata names; empty where it names none, or in a pickle.

    Raises:
        ModelError: the file is not readable safetensors.
    """
    if path.suffix.lower() != SAFETENSORS:
        return ""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("architecture", ""))
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint, on the CPU. Pickles are read as tensors only: no code in them runs.

    Raises:
        ModelError: another file type, damaged, truncated, a pickle of more than tensors, or no state dict.
    """
    suffix = path.suffix.lower()
    if suffix == SAFETENSORS:
        try:
            with safe_open(path, "pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  the file is no mapping
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
    if suffix not in PICKLES:
        expected = ", ".join((*PICKLES, SAFETENSORS))
        raise ModelError(
            f"{path} is not a checkpoint: expected a file ending in {expected}, found {suffix!r}"
        )
    return _only_tensors(_unpickle(path), path)


def recognise(state: dict[str, Tensor], path: Path) -> str:
    """Which of "vit_b", "vit_l", "vit_h" the weights are of.

    Raises:
        ModelError: of none of them, or not with exactly its weights.
    """
    patches = state.get(_PATCH_EMBEDDING)
    if patches is None or patches.ndim != 4 or patches.shape[0] not in _WIDTHS:
        found = "no such weight" if patches is None else f"one of shape {tuple(patches.shape)}"
        raise ModelError(
            f"{path} holds no SAM that CS3 knows: expected {_PATCH_EMBEDDING} with 768 (vit_b), 1024 (vit_l) "
            f"or 1280 (vit_h) channels, found {found} among {_some(list(state))}. Give a checkpoint in the "
            f"format of segment-anything, its state dict alone"
        )
    architecture = _WIDTHS[patches.shape[0]]
    _check_weights(state, architecture, path)
    return architecture


def _unpickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own text is left out: it advises to load the file unsafely.
        fault = "holds Python objects besides tensors"
        if not zipfile.is_zipfile(path):  # neither today's format nor readable as the one before
            fault = f"is damaged or truncated, is no checkpoint at all, or {fault}"
        raise ModelError(
            f"{path} {fault}; loading such objects could run code of unknown origin, so CS3 refuses. "
            f"Download it again, or ask its maker for a plain state dict or a .safetensors file"
        ) from error
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _only_tensors(content: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise ModelError(
            f"{path}: expected a state dict, found {type(content).__name__}. Save the state dict alone"
        )
    others = [str(key) for key, value in content.items() if not isinstance(value, Tensor)]
    if others or not content:
        found = f"{_some(others)} that are none" if others else "nothing"
        raise ModelError(
            f"{path}: expected a state dict of tensors, found {found}. Save the state dict alone"
        )
    return {str(key): value for key, value in content.items()}


def _check_weights(state: dict[str, Tensor], architecture: str, path: Path) -> None:
    expected = weight_shapes(architecture)
    faults = {
        "missing": [key for key in expected if key not in state],
        "unknown": [key for key in state if key not in expected],
        "of another shape": [
            key for key in expected if key in state and expected[key] != tuple(state[key].shape)
        ],
    }
    told = "; ".join(f"{len(keys)} {what}: {_some(keys)}" for what, keys in faults.items() if keys)
    if told:
        raise ModelError(
            f"{path} looks like {architecture}, but its weights differ ({told}). "
            f"Give a checkpoint of an unchanged {architecture}"
        )


def _damaged(path: Path, error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelError(
        f"{path} is damaged or truncated and cannot be read ({reason}). Copy or download it again"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
