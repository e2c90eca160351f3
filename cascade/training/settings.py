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
        _check_range(self, at_least_one=("steps", "batch", "save_every"))


@dataclass(frozen=True)
class LooksTraining:
    """Settings of a run that teaches the judge of looks.

    Attributes:
        smears: synthetic smears that the cascade is run over.
        passes: over what it came upon.
        batch: links and pairs a step.
        rate: peak learning rate; it rises over the first 3 % and falls as a cosine.
        seed: of weights and smears.
        threads: CPU threads of the network; 0 leaves it to torch, which takes every core.

    Raises:
        ConfigError: a value is out of range.
    """

    smears: int = 700
    passes: int = 9
    batch: int = 64
    rate: float = 2e-3
    seed: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        _check_range(self, at_least_one=("passes", "batch"))
        if self.smears < 2:
            raise ConfigError(f"smears: expected 2 or more, found {self.smears}; some are held out.")


@dataclass(frozen=True)
class SupervisedTraining:
    """Settings of a run on annotated images.

    Attributes:
        steps: optimiser steps in all.
        batch: images a step.
        rate: peak learning rate; it rises over the first 3 % and falls as a cosine.
        seed: of weights and augmentation.
        threads: CPU threads of the network; 0 leaves it to torch, which takes every core.
        workers: processes that prepare images; 0 prepares them between the steps.
        save_every: steps between checkpoints.
        check_every: steps between looks at the held-out images.
        minutes: the training ends after so long, over all its runs, however many steps it has taken; the
            learning rate falls in time. 0: after all steps. Such a training is not repeated by its seed.

    Raises:
        ConfigError: a value is out of range.
    """

    steps: int = 2000
    batch: int = 2
    rate: float = 1e-3
    seed: int = 0
    threads: int = 0
    workers: int = 0
    save_every: int = 200
    check_every: int = 200
    minutes: int = 0

    def __post_init__(self) -> None:
        _check_range(self, at_least_one=("steps", "batch", "save_every", "check_every"))


def _check_range(
    settings: TinyTraining | LooksTraining | SupervisedTraining, at_least_one: tuple[str, ...]
) -> None:
    for name, value in vars(settings).items():
        least = 1 if name in at_least_one else 0
        if name != "rate" and value < least:
            raise ConfigError(f"{name}: expected {least} or more, found {value}; correct it.")
    if not 0 < settings.rate < 1:
        raise ConfigError(
            f"rate: expected a learning rate between 0 and 1, found {settings.rate}; correct it."
        )


SUPERVISED = {
    "unet": SupervisedTraining(),
    "maskrcnn": SupervisedTraining(rate=8e-4),
}
"""Methods that learn from annotated images, with the settings by which they learn."""
