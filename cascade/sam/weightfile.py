"""Weights as a file of this project: safetensors in half precision, with a note of how they were trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cascade.errors import ModelError
from cascade.exports.atomic import write_bytes


def write_weights(network: nn.Module, path: Path, architecture: str, training: dict[str, Any]) -> None:
    """Write half-precision weights, whole or not at all, with a note of how they were trained.

    Raises:
        OutputError: the file cannot be written.
    """
    state = {key: value.detach().cpu().half().contiguous() for key, value in network.state_dict().items()}
    metadata = {"architecture": architecture, "training": json.dumps(training, sort_keys=True)}
    write_bytes(path, save(state, metadata))


def read_weights(network: nn.Module, path: Path, architecture: str) -> None:
    """Load the weights of a file into a network.

    Raises:
        ModelError: the file is missing, damaged, or of another architecture.
    """
    read_note(path, architecture)
    try:
        with safe_open(path, "pt") as file:
            state: dict[str, Tensor] = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        network.load_state_dict(state)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    except RuntimeError as error:
        raise ModelError(
            f"{path}: expected the weights of this version's '{architecture}', found others ({error}); "
            f"train them anew with `cs3 train {architecture}`, or use the version of CS3 that wrote them."
        ) from error


def read_note(path: Path, architecture: str) -> dict[str, Any]:
    """What `write_weights` noted of how weights were trained.

    Raises:
        ModelError: the file is missing, damaged, or of another architecture.
    """
    if not path.is_file():
        raise ModelError(
            f"{path}: expected weights, found no file; "
            f"reinstall the package, or train them with `cs3 train {architecture}`."
        )
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
        training: dict[str, Any] = json.loads(metadata.get("training", "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if metadata.get("architecture") != architecture:
        found = metadata.get("architecture", "none named")
        raise ModelError(
            f"{path}: expected the architecture '{architecture}', found {found}; name another file."
        )
    return training


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path}: expected weights in a safetensors file, found a damaged one ({error}); copy it again."
    )
