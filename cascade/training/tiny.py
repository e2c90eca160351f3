"""Teach `tiny` on synthetic smears, and on unlabelled images where asked: dense maps first, prompts after."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the field's name for it
from torch.utils.data import DataLoader

from cascade.errors import ConfigError
from cascade.sam.checkpoints import sha256_of
from cascade.sam.tiny import has_fast_bfloat16, load_tiny, read_network, save_tiny
from cascade.sam.tiny_network import TinySam
from cascade.training.checkpoint import LOG, read_checkpoint, write_checkpoint
from cascade.training.learner import Learner, begin_worker, cosine_rate
from cascade.training.log import JsonLog
from cascade.training.losses import dense_loss, mask_loss
from cascade.training.samples import PROMPTS, SmearStream
from cascade.training.settings import TinyTraining
from cascade.training.unlabelled import FOLDER, Believed, believe, fingerprint
from cascade.training.watcher import Watcher

WEIGHTS = "tiny.safetensors"
_BINDING = ("dense_steps", "batch", "rate", "seed", "init", "unlabelled")
"""Settings that make one training another; the rest (steps, threads, …) may differ when it goes on."""
_ADVICE = f" (--init {WEIGHTS} starts from the weights there)"
TAUGHT = ("head", "tail", "direction", "owner", "mask", "score")
"""Losses that are summed; the others are only told."""


def train_tiny(
    out: Path,
    settings: TinyTraining,
    device: torch.device,
    watcher: Watcher | None = None,
    *,
    init: Path | None = None,
    unlabelled: Sequence[Path] = (),
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train, or go on from `out/checkpoint.pt`, and write `out/tiny.safetensors` and `out/log.jsonl`.

    What is written is the running average of the weights. A run that goes on has the network, average and
    optimiser of the one it continues; its samples are those of the same seed, but drawn from a new pool.

    Args:
        out: folder of checkpoint, log and weights.
        settings: of the run. One that goes on needs the settings of the run before, except for steps (the
            learning rate follows the new number), threads, workers and save_every.
        device: where to train.
        watcher: told what happens.
        init: weights to start from, written by an earlier training.
        unlabelled: images to learn from beside synthetic smears; the cascade with the weights of `init` is
            run over them, and what it is sure of is taught.
        stop: asked after every step; where it says so, the run is saved and ends early.

    Returns:
        Steps taught so far: `settings.steps`, or fewer after a stop.

    Raises:
        ConfigError: the folder holds a checkpoint of other settings, or one that has gone further; or there
            are unlabelled images, and no weights to look at them with.
        ImageError: there are unlabelled images, and the cascade is sure of nothing in any.
        ModelError: `init` or the checkpoint is damaged or of another architecture; or the training diverged.
        OutputError: the folder cannot be written, or holds weights that a new training would replace.
    """
    watcher = watcher or Watcher()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if unlabelled and init is None:
        raise ConfigError("unlabelled: expected weights to look at the images with, found none; give init.")
    learner = _Learner(settings, device, init)
    noted = {
        **asdict(settings),
        "init": sha256_of(init) if init else "",
        "unlabelled": fingerprint(unlabelled) if unlabelled else "",
    }
    saved = read_checkpoint(out, noted, device, weights=WEIGHTS, binding=_BINDING, advice=_ADVICE)
    if saved is not None:
        learner.restore(saved)
    believed: list[Believed] = []
    if init is not None and unlabelled and learner.step < settings.steps:
        looked_at = believe(unlabelled, out / FOLDER, load_tiny(init, device), watcher, stop)
        if looked_at is None:
            return learner.step
        believed = looked_at
    log = JsonLog(out / LOG, learner.step)
    watcher.begin(learner.step, settings.steps)
    with closing(_lessons(settings, learner.step, believed)) as lessons:
        for batch, with_prompts in lessons:
            losses = learner.learn(
                batch, cosine_rate(settings.rate, learner.step, settings.steps), with_prompts
            )
            log(learner.step, losses)
            watcher.taught(learner.step, losses)
            stopping = stop()
            due = learner.step % settings.save_every == 0
            if stopping or due or learner.step in (settings.dense_steps, settings.steps):
                learner.save(out, noted)
            if stopping:
                break
    return learner.step


class _Learner(Learner):
    """Teaches a batch, and writes weights and checkpoint."""

    def __init__(self, settings: TinyTraining, device: torch.device, init: Path | None) -> None:
        torch.manual_seed(settings.seed)
        super().__init__(TinySam() if init is None else read_network(init), device, settings.rate)

    def learn(self, batch: Mapping[str, Tensor], rate: float, with_prompts: bool) -> dict[str, float]:
        """One step; returns its losses."""
        network = cast(TinySam, self._network.train())
        on_device = {key: value.to(self._device) for key, value in batch.items()}
        return self.update(losses_of(network, on_device, with_prompts), rate, TAUGHT)

    def save(self, out: Path, noted: Mapping[str, Any]) -> None:
        """Write the average as weights, then everything as a checkpoint; each appears whole or not at all."""
        save_tiny(cast(TinySam, self.average), out / WEIGHTS, {**noted, "step": self.step})
        write_checkpoint(out, {**self.state(), "settings": dict(noted)})


def _lessons(
    settings: TinyTraining, done: int, believed: Sequence[Believed]
) -> Generator[tuple[dict[str, Tensor], bool]]:
    """The batches of the steps still to do, and whether they teach prompts; closing it ends its workers."""
    while done < settings.steps:
        with_prompts = done >= settings.dense_steps
        end = settings.steps if with_prompts else min(settings.steps, settings.dense_steps)
        with closing(_batches(settings, done, with_prompts, believed)) as batches:
            for _, batch in zip(range(done, end), batches, strict=False):
                yield batch, with_prompts
        done = end


def _batches(
    settings: TinyTraining, step: int, with_prompts: bool, believed: Sequence[Believed]
) -> Generator[dict[str, Tensor]]:
    """Batches without end, from `step` on."""
    stream = SmearStream(settings.seed, step * settings.batch, PROMPTS if with_prompts else 0, believed)
    if not settings.workers:
        yield from DataLoader(stream, settings.batch)
        return
    # Workers are started afresh: a fork copies the locks of the network's threads in whatever state they are.
    yield from DataLoader(
        stream,
        settings.batch,
        num_workers=settings.workers,
        prefetch_factor=4,
        multiprocessing_context="spawn",
        worker_init_fn=begin_worker,
    )


def losses_of(network: TinySam, batch: Mapping[str, Tensor], with_prompts: bool) -> dict[str, Tensor]:
    """Losses of a batch of samples (`cascade.training.samples.sample`, stacked), on the network's device.

    Those of masks (`mask`, `score`, and `iou`, that of the flagellum) are left out where no prompt was asked.
    """
    device = batch["image"].device
    images = batch["image"].permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
        features = network.encode(images)
        losses = dense_loss(features, batch)
        if not with_prompts:
            return losses
        decoded = [
            network.decode(features.pick(i), batch["points"][i], batch["labels"][i])
            for i in range(len(images))
        ]
    tails = F.avg_pool2d(batch["tail"].float()[:, None], 2)[:, 0]
    per_image = [
        mask_loss(logits, scores, batch["masks"][i].float() / 255, batch["known"][i], tails[i])
        for i, (logits, scores) in enumerate(decoded)
        if bool((batch["labels"][i] >= 0).any())
    ]
    for name in per_image[0] if per_image else ():
        losses[name] = torch.stack([one[name] for one in per_image]).mean()
    return losses
