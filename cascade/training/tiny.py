"""Teach `tiny` on synthetic smears alone: dense maps first, prompts after."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from cascade.sam.tiny import TinySam, has_fast_bfloat16, save_tiny
from cascade.training.losses import dense_loss, mask_loss
from cascade.training.samples import PROMPTS, SmearStream

Log = Callable[[int, Mapping[str, float]], None]
_AVERAGE_DECAY = 0.998
_PARTS = ("head", "tail", "direction", "owner", "mask", "score")


@dataclass(frozen=True)
class TinyTraining:
    """Settings of a run.

    Attributes:
        steps: optimiser steps in all.
        dense_steps: first steps, which teach the dense maps alone.
        batch: pictures a step.
        rate: peak learning rate; it rises over the first 3 % and falls as a cosine.
        seed: of weights and samples.
        threads: CPU threads of the network; 0 leaves it to torch.
        workers: processes that draw smears.
        save_every: steps between checkpoints.
    """

    steps: int = 12_000
    dense_steps: int = 4_000
    batch: int = 4
    rate: float = 2e-3
    seed: int = 0
    threads: int = 0
    workers: int = 1
    save_every: int = 200


def train_tiny(out: Path, settings: TinyTraining, device: torch.device, log: Log) -> Path:
    """Train, or go on from `out/checkpoint.pt`, and write `out/tiny.safetensors`.

    Args:
        out: folder of checkpoint, log and weights.
        settings: of the run; a run resumes under the settings it is given, from the step it had reached.
        device: where to train.
        log: called with step and losses.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    network = TinySam().to(device, memory_format=torch.channels_last)
    average = AveragedModel(network, avg_fn=_running_average, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=0.02)
    checkpoint = out / "checkpoint.pt"
    step = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step = int(state["step"])
    while step < settings.steps:
        with_prompts = step >= settings.dense_steps
        stop = settings.steps if with_prompts else min(settings.steps, settings.dense_steps)
        for batch in _batches(settings, step, with_prompts):
            for group in optimiser.param_groups:
                group["lr"] = _rate(settings, step)
            losses = _step(network, optimiser, batch, device, with_prompts)
            average.update_parameters(network)
            step += 1
            if step % 20 == 0:
                log(step, losses)
            if step % settings.save_every == 0 or step == stop:
                _save(
                    checkpoint,
                    {
                        "network": network.state_dict(),
                        "average": average.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "step": step,
                    },
                )
                save_tiny(average.module, out / "tiny.safetensors", {**asdict(settings), "step": step})
            if step == stop:
                break
    return out / "tiny.safetensors"


def _running_average(average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
    """Exponential average that forgets its beginning: nearly a plain mean at first."""
    if not average.is_floating_point():
        return value
    decay = min(_AVERAGE_DECAY, (1 + float(count)) / (10 + float(count)))
    return average * decay + value * (1 - decay)


def _rate(settings: TinyTraining, step: int) -> float:
    warm = 0.03 * settings.steps
    rise = min(1.0, (step + 1) / max(1.0, warm))
    fall = 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * step / settings.steps))))
    return settings.rate * rise * max(fall, 0.01)


def _batches(settings: TinyTraining, step: int, with_prompts: bool) -> Iterator[dict[str, Tensor]]:
    stream = SmearStream(settings.seed, step * settings.batch, PROMPTS if with_prompts else 0)
    loader = DataLoader(
        stream, settings.batch, num_workers=settings.workers, prefetch_factor=4 if settings.workers else None
    )
    return iter(loader)


def _step(
    network: TinySam,
    optimiser: torch.optim.Optimizer,
    batch: dict[str, Tensor],
    device: torch.device,
    with_prompts: bool,
) -> dict[str, float]:
    network.train()
    batch = {key: value.to(device) for key, value in batch.items()}
    images = batch["image"].permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
        features = network.encode(images)
        losses = dense_loss(features, batch)
        if with_prompts:
            decoded = [
                network.decode(features.pick(i), batch["points"][i], batch["labels"][i])
                for i in range(len(images))
            ]
    if with_prompts:
        tails = torch.nn.functional.avg_pool2d(batch["tail"].float()[:, None], 2)[:, 0]
        per_image = [
            mask_loss(logits, scores, batch["masks"][i].float() / 255, batch["known"][i], tails[i])
            for i, (logits, scores) in enumerate(decoded)
            if bool((batch["labels"][i] >= 0).any())
        ]
        for name in per_image[0] if per_image else ():
            losses[name] = torch.stack([one[name] for one in per_image]).mean()
    total = torch.stack([losses[name] for name in _PARTS if name in losses]).sum()
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return {name: float(value.detach()) for name, value in losses.items()}


def _save(path: Path, state: dict[str, object]) -> None:
    """Write a checkpoint whole: a killed run never leaves half of one."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def append_log(path: Path) -> Log:
    """A log function that appends a JSON line a call."""
    began = time.monotonic()

    def log(step: int, losses: Mapping[str, float]) -> None:
        line = {"step": step, "seconds": round(time.monotonic() - began, 1)}
        line |= {name: round(value, 4) for name, value in losses.items()}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    return log
