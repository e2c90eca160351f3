"""Methods that learn, behind one protocol: with the settings by which they learn, on one device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from cascade.comparators.protocol import Trainable, TrainingData
from cascade.sam.registry import resolve_device
from cascade.training.settings import SUPERVISED, SupervisedTraining
from cascade.training.supervised import subject_of, train_supervised
from cascade.training.watcher import Watcher


class _Supervised:
    """A method that learns from annotated images."""

    def __init__(self, name: str, settings: SupervisedTraining, device: str) -> None:
        self.name = name
        self._settings, self._device = settings, torch.device(device)

    def train(self, data: TrainingData, out: Path, watcher: Watcher, stop: Callable[[], bool]) -> Path | None:
        """As `Trainable.train`."""
        subject = subject_of(self.name)
        return train_supervised(subject, data, out, self._settings, self._device, watcher, stop)


def trainable(
    name: str, device: str = "auto", *, steps: int | None = None, minutes: int | None = None
) -> Trainable:
    """A method that is ready to learn.

    Args:
        name: of `SUPERVISED`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        steps: optimiser steps; None: the method's own number.
        minutes: the training ends after so long, however many steps it has taken; None: no limit.

    Raises:
        KeyError: the method learns nothing.
        DeviceError: the device is not there.
    """
    settings = SUPERVISED[name]
    settings = replace(settings, steps=steps or settings.steps, minutes=minutes or settings.minutes)
    return _Supervised(name, settings, resolve_device(device))
