"""Checkpoints: everything that a training needs to go on, and the settings it belongs to."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import torch

from cascade.errors import ConfigError, ModelError, OutputError
from cascade.exports.atomic import write_bytes

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
"""Files of a training's folder, beside the weights."""
_ENTRIES = {"network", "average", "optimiser", "step", "settings"}

# What the readers of zip archives and pickles raise on bytes that are not theirs.
_UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError)


def write_checkpoint(out: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole: a killed run never leaves half of one.

    Raises:
        OutputError: it cannot be written.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)
    write_bytes(out / CHECKPOINT, content.getvalue())


def read_checkpoint(
    out: Path,
    settings: Mapping[str, Any],
    device: torch.device,
    *,
    weights: str,
    binding: Sequence[str],
    further: Collection[str] = (),
    advice: str = "",
) -> Mapping[str, Any] | None:
    """The checkpoint in a folder, to go on from; None where a training begins there.

    Args:
        out: the training's folder.
        settings: of the run that wants to go on, as the checkpoint holds them.
        device: to read the tensors to.
        weights: name of the file that the training's weights are written to.
        binding: settings that make one training another; the rest may differ when it goes on.
        further: what the checkpoint holds beside network, average, optimiser, step and settings.
        advice: what else to do where there are weights without a checkpoint that can be used.

    Raises:
        ConfigError: the checkpoint is of other settings, or has gone further than the steps asked for.
        ModelError: the checkpoint is damaged.
        OutputError: the folder holds weights without a checkpoint, which a new training would replace.
    """
    path = out / CHECKPOINT
    if not path.exists():
        if (out / weights).exists():
            raise OutputError(
                f"{out}: expected a new folder or one with a {CHECKPOINT}, found {weights} alone, which a "
                f"new training would replace; choose another folder{advice}."
            )
        return None
    state = _read(path, device, {*_ENTRIES, *further}, advice)
    _refuse_other_settings(path, state["settings"], settings, binding)
    if state["step"] > settings["steps"]:
        raise ConfigError(
            f"{path}: expected to go on to step {settings['steps']}, found that step {state['step']} is "
            "reached; ask for more steps."
        )
    return state


def _read(path: Path, device: torch.device, entries: Set[str], advice: str) -> Mapping[str, Any]:
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except _UNREADABLE as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{path}: expected a checkpoint of `cs3 train`, found a damaged file ({reason}); choose another "
            f"folder{advice}."
        ) from error
    if not isinstance(state, dict) or set(state) != entries:
        found = ", ".join(map(str, state)) if isinstance(state, dict) else type(state).__name__
        raise ModelError(
            f"{path}: expected a checkpoint of `cs3 train` with {', '.join(sorted(entries))}, found "
            f"{found}; choose another folder."
        )
    return state


def _refuse_other_settings(
    path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], binding: Sequence[str]
) -> None:
    told = [
        f"{name.replace('_', '-')} {_shown(wanted[name])} instead of {_shown(found.get(name))}"
        for name in binding
        if found.get(name, "") != wanted[name]
    ]
    if told:
        raise ConfigError(
            f"{path}: expected a checkpoint of the same training, found one of other settings "
            f"(asked for: {'; '.join(told)}); give the same to go on, or another folder to begin anew."
        )


def _shown(value: object) -> str:
    return "none" if value in (None, "") else str(value)
