"""Settings of a training; apart from the loop, so that the command's help needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from cascade.errors import ConfigError


@dataclass(frozen=True)
class TinyTraining:
    """Settings of a run.

    Attributes:
        steps: optimiser steps in all.
        dense_steps: first steps, which teach the dense maps alone.
        batch: pictures a step.
        rate: peak learning rate; it rises over the first 3 % and falls as a cosine.
        seed: of weights and samples.
        threads: CPU threads of the network; 0 leaves it to torch, which takes every core.
        workers: processes that draw smears; 0 draws them between the steps.
        save_every: steps between checkpoints.

    Raises:
        ConfigError: a value is out of range.
    """

    steps: int = 12_000
    dense_steps: int = 4_000
    batch: int = 4
    rate: float = 2e-3
    seed: int = 0
    threads: int = 0
    workers: int = 1
    save_every: int = 200

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected 1 or more, found {getattr(self, name)}; correct it.")
        for name in ("dense_steps", "seed", "threads", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected 0 or more, found {getattr(self, name)}; correct it.")
        if not 0 < self.rate < 1:
            raise ConfigError(
                f"rate: expected a learning rate between 0 and 1, found {self.rate}; correct it."
            )
