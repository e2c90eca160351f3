"""Teach the judge of looks: gather links and pairs of synthetic smears, then learn which are right."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the field's name for it

from cascade.errors import ModelError
from cascade.exports.atomic import write_bytes
from cascade.looks.network import ARCHITECTURE, MIRROR, LookJudge, LookNetwork
from cascade.sam.protocol import PromptableModel
from cascade.sam.weightfile import write_weights
from cascade.training.checkpoint import LOG, read_checkpoint, write_checkpoint
from cascade.training.learner import Learner, cosine_rate, trains_in_bfloat16
from cascade.training.log import JsonLog
from cascade.training.look_lessons import KINDS, Lessons, lessons_of
from cascade.training.settings import LooksTraining
from cascade.training.watcher import Watcher

WEIGHTS = "looks.safetensors"
LESSONS = "lessons"
_BINDING = ("smears", "batch", "rate", "seed")
_PAIR = KINDS.index("pair")
_LOUDER = {"joining": 2.0}
"""Links between pieces of tails are few and the hardest."""
_HELD_OUT = 0.08
"""Share of the smears that is not learnt from, and judged after every pass over the others."""
_MOST_TURN, _MOST_SHIFT, _SCALES = 0.2, 0.08, (0.88, 1.14)
"""Small pictures are turned (radians), shifted (of half a side) and scaled at random, at most so far."""


def train_looks(
    out: Path,
    settings: LooksTraining,
    model: PromptableModel,
    watcher: Watcher | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Gather lessons into `out/lessons`, learn from them, and write `out/looks.safetensors` and a log.

    A run that goes on reads the lessons that are there and goes on from the last pass.

    Args:
        out: folder of lessons, checkpoint, log and weights.
        settings: of the run.
        model: of the cascade that is run over the smears.
        watcher: told what happens.
        stop: asked after every smear and every step; where it says so, the run ends early.

    Returns:
        Whether all is done; not so after a stop.

    Raises:
        ConfigError: the folder holds a checkpoint of other settings.
        ModelError: the checkpoint is damaged, lessons are, or the training diverged.
        OutputError: the folder cannot be written, or holds weights that a new training would replace.
    """
    watcher = watcher or Watcher()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    noted = {**asdict(settings), "model": model.sha256}
    device = torch.device("cpu")
    saved = read_checkpoint(
        out, {**noted, "steps": math.inf}, device, weights=WEIGHTS, binding=_BINDING, further=("passes",)
    )
    gathered = _gather(out / LESSONS, settings, model, watcher, stop)
    if gathered is None:
        return False
    held = max(1, round(_HELD_OUT * len(gathered)))
    taught, check = _together(gathered[:-held]), _together(gathered[-held:])
    del gathered  # some gigabytes
    torch.manual_seed(settings.seed)
    learner = _Learner(LookNetwork(), device, settings.rate)
    passes = 0
    if saved is not None:
        learner.restore(saved)
        passes = int(saved["passes"])
    log = JsonLog(out / LOG, learner.step)
    steps = settings.passes * (len(taught.right) // settings.batch)
    watcher.begin(learner.step, steps)
    for number in range(passes, settings.passes):
        torch.manual_seed(settings.seed * 1_000 + number)
        rng = np.random.default_rng([settings.seed, number])
        for some in _batches(len(taught.right), settings.batch, rng):
            rate = cosine_rate(settings.rate, learner.step, steps)
            losses = learner.learn(taught, some, rate)
            log(learner.step, losses)
            watcher.taught(learner.step, losses)
            if stop():
                return False
        figures = learner.check(check)
        log.note(learner.step, figures)
        watcher.checked(learner.step, figures)
        write_weights(learner.average, out / WEIGHTS, ARCHITECTURE, {**noted, "step": learner.step})
        write_checkpoint(out, {**learner.state(), "passes": number + 1, "settings": noted})
    return True


class _Learner(Learner):
    def learn(self, lessons: Lessons, some: NDArray[np.intp], rate: float) -> dict[str, float]:
        """One step on some of the lessons; returns its losses."""
        network = self._network.train()
        kinds = lessons.kinds[some]
        pictures, pair = _varied(lessons.pictures[some], kinds)
        with torch.autocast("cpu", torch.bfloat16, enabled=trains_in_bfloat16(self._device)):
            odds = network(pictures, pair)
        weight = torch.tensor([_LOUDER.get(KINDS[kind], 1.0) for kind in kinds])
        right = torch.from_numpy(lessons.right[some]).float()
        loss = F.binary_cross_entropy_with_logits(odds.float(), right, weight)
        return self.update({"loss": loss}, rate)

    def check(self, lessons: Lessons) -> dict[str, float]:
        """Log loss of each kind, by the average of the weights."""
        judge = LookJudge(cast(LookNetwork, self.average))
        out: dict[str, float] = {}
        for kind, name in enumerate(KINDS):
            those = lessons.kinds == kind
            if those.any():
                odds = judge.odds(lessons.pictures[those], pairs=kind == _PAIR)
                right = torch.from_numpy(lessons.right[those]).double()
                out[name] = float(F.binary_cross_entropy_with_logits(torch.from_numpy(odds), right))
        return out


def _gather(
    folder: Path,
    settings: LooksTraining,
    model: PromptableModel,
    watcher: Watcher,
    stop: Callable[[], bool],
) -> list[Lessons] | None:
    """The lessons of every smear, gathered now or by an earlier run; None after a stop."""
    out = []
    watcher.begin(0, settings.smears)
    for number in range(settings.smears):
        path = folder / f"{number:05d}.npz"
        if not path.exists():
            if stop():
                return None
            _write(path, lessons_of(settings.seed * 1_000_000 + number, model))
        out.append(_read(path))
        watcher.taught(number + 1, {"lessons": float(len(out[-1].right))})
    return out


def _write(path: Path, lessons: Lessons) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, pictures=lessons.pictures, kinds=lessons.kinds, right=lessons.right)
    write_bytes(path, content.getvalue())


def _read(path: Path) -> Lessons:
    try:
        with path.open("rb") as source, np.load(source) as file:
            return Lessons(file["pictures"], file["kinds"], file["right"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(
            f"{path}: expected lessons, found a damaged file ({error}); delete it, "
            "and the same command makes it anew."
        ) from error


def _together(several: list[Lessons]) -> Lessons:
    return Lessons(
        np.concatenate([one.pictures for one in several]),
        np.concatenate([one.kinds for one in several]),
        np.concatenate([one.right for one in several]),
    )


def _batches(count: int, size: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    order = rng.permutation(count)
    return [np.sort(order[start : start + size]) for start in range(0, count - size + 1, size)]


def _varied(pictures: NDArray[np.uint8], kinds: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Small pictures 0–1 as they might also look, and whether they show pairs."""
    some = torch.from_numpy(pictures).float() / 255
    count = len(some)
    shade = torch.empty(count, 1, 1).uniform_(0.6, 1.4), 0.03 * torch.randn(count, 1, 1)
    grain = torch.randn_like(some[:, 0]) * torch.empty(count, 1, 1).uniform_(0, 0.04)
    some[:, 0] = some[:, 0] * shade[0] + shade[1] + grain
    turn = torch.empty(count).uniform_(-_MOST_TURN, _MOST_TURN)
    scale = torch.empty(count).uniform_(*_SCALES)
    shift = torch.empty(2, count).uniform_(-_MOST_SHIFT, _MOST_SHIFT)
    rows = [
        torch.stack([turn.cos() * scale, -turn.sin() * scale, shift[0]], 1),
        torch.stack([turn.sin() * scale, turn.cos() * scale, shift[1]], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(some.shape), align_corners=False)
    some = F.grid_sample(some, grid, align_corners=False)
    pair = torch.from_numpy(kinds == _PAIR)
    mirrored, swapped = torch.rand(count) < 0.5, (torch.rand(count) < 0.5) & ~pair
    some[mirrored] = some[mirrored].flip(2)
    some[swapped] = some[swapped].flip(3)[:, MIRROR]
    return some, pair.float()
