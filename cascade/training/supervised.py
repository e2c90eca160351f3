"""Teach a method on annotated images: the loop, the figure on held-out images, the best weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cascade.comparators.protocol import FoundSperm, TrainingData
from cascade.errors import ConfigError
from cascade.sam.checkpoints import sha256_of
from cascade.sam.weightfile import write_weights
from cascade.training.checkpoint import LOG, read_checkpoint, write_checkpoint
from cascade.training.labels import LabelledImage, Parts, read_labelled, union
from cascade.training.learner import Learner, begin_worker, cosine_rate
from cascade.training.log import JsonLog
from cascade.training.settings import SupervisedTraining
from cascade.training.watcher import Watcher
from cascade.types import Region, UInt8Array

_BINDING = ("method", "batch", "rate", "seed", "data")
_MOST_HELD_OUT = 12
"""Held-out images that are looked at, evenly over all of them: more would take time from learning."""
_LEAST_IOU = 0.5

Sample = Mapping[str, NDArray[Any]]
Batch = Any
"""What `Subject.collate` makes of samples."""


@dataclass(frozen=True)
class Subject:
    """A method that is taught.

    Attributes:
        name: of the method, and of its weights' file.
        build: a fresh network.
        sample: an image with its labels as the network sees it; a generator decides how it is laid, and the
            flag is the same for all samples of a batch.
        collate: samples → batch on a device.
        losses: of a batch; all of them are summed.
        find: the sperm that a network finds in a normalised image at working size.
    """

    name: str
    build: Callable[[], nn.Module]
    sample: Callable[[LabelledImage, np.random.Generator, bool], Sample]
    collate: Callable[[Sequence[Sample]], Batch]
    losses: Callable[[nn.Module, Batch, torch.device], dict[str, Tensor]]
    find: Callable[[nn.Module, UInt8Array, torch.device], list[FoundSperm]]


def subject_of(method: str) -> Subject:
    """What is taught under a method's name.

    Raises:
        ConfigError: the method learns nothing.
        ModelError: a library is missing.
    """
    if method == "unet":
        from cascade.training.unet import SUBJECT  # noqa: PLC0415

        return SUBJECT
    if method == "maskrcnn":
        from cascade.training.maskrcnn import SUBJECT  # noqa: PLC0415

        return SUBJECT
    raise ConfigError(f"there is no training of {method!r}: expected unet or maskrcnn")


def train_supervised(
    subject: Subject,
    data: TrainingData,
    out: Path,
    settings: SupervisedTraining,
    device: torch.device,
    watcher: Watcher | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Train, or go on from `out/checkpoint.pt`.

    Writes `out/NAME.safetensors`, the running average of the weights where the held-out images came out best,
    and `out/log.jsonl`, the learning curve.

    Args:
        subject: what is taught.
        data: to learn from.
        out: folder of checkpoint, log and weights.
        settings: of the run. One that goes on needs the settings of the run before, except for steps (the
            learning rate follows the new number), threads, workers, save_every, check_every and
            minutes.
        device: where to train.
        watcher: told what happens.
        stop: asked after every step; where it says so, the run is saved and ends early.

    Returns:
        The weights; None after a stop.

    Raises:
        AnnotationError, ImageError: the data is damaged.
        ConfigError: the folder holds a checkpoint of other settings, or one that has gone further.
        ModelError: the checkpoint is damaged; or the training diverged.
        OutputError: the folder cannot be written, or holds weights that a new training would replace.
    """
    watcher = watcher or Watcher()
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    learner = _Learner(subject, settings, device)
    noted = {"method": subject.name, **asdict(settings), "data": _fingerprint(data)}
    saved = read_checkpoint(
        out, noted, device, weights=f"{subject.name}.safetensors", binding=_BINDING, further=("best",)
    )
    if saved is not None:
        learner.restore(saved)
    noted |= {"images": len(data.images), "held_out": len(data.held_out)}
    examples = read_labelled(data.truths, data.images) if learner.step < settings.steps else []
    held = list(data.held_out.items())
    some = dict(held[:: -(-len(held) // _MOST_HELD_OUT) or 1])
    checked = read_labelled(data.truths, some) if learner.step < settings.steps else []
    log = JsonLog(out / LOG, learner.step)
    watcher.begin(learner.step, settings.steps)
    if settings.minutes:
        watcher.limited(60 * settings.minutes - log.seconds)
    weights = out / f"{subject.name}.safetensors"
    with closing(_batches(subject, examples, settings, learner.step)) as batches:
        for batch in batches:
            losses = learner.learn(batch, _steps_in_time(settings, learner.step, log.seconds))
            log(learner.step, losses)
            watcher.taught(learner.step, losses)
            in_time = not settings.minutes or log.seconds < 60 * settings.minutes
            last, stopping = learner.step == settings.steps or not in_time, stop()
            if last or learner.step % settings.check_every == 0:
                figures = learner.check(checked)
                log.note(learner.step, figures)
                watcher.checked(learner.step, figures)
                learner.keep_best(weights, figures, noted)
            if last or stopping or learner.step % settings.save_every == 0:
                learner.save(out, noted)
            if last or stopping:
                return weights if last else None
    return weights


def _steps_in_time(settings: SupervisedTraining, step: int, seconds: float) -> int:
    """Steps that the training will have taken when it ends: all, or what the time is enough for."""
    if not settings.minutes or not step:
        return settings.steps
    return min(settings.steps, max(step + 1, round(step * 60 * settings.minutes / max(seconds, 1.0))))


class _Learner(Learner):
    """Teaches a batch, looks at held-out images, and keeps the best weights."""

    def __init__(self, subject: Subject, settings: SupervisedTraining, device: torch.device) -> None:
        super().__init__(subject.build(), device, settings.rate)
        self._subject, self._settings, self._best = subject, settings, -1.0

    def learn(self, batch: Batch, steps: int) -> dict[str, float]:
        """One step of `steps`; returns its losses."""
        # Detectors draw what they learn from: a run that goes on draws as one that never stopped.
        torch.manual_seed(self._settings.seed * 1_000_003 + self.step)
        losses = self._subject.losses(self._network.train(), batch, self._device)
        return self.update(losses, cosine_rate(self._settings.rate, self.step, steps))

    def check(self, held_out: Sequence[LabelledImage]) -> dict[str, float]:
        """Figures on held-out images, of the running average of the weights."""
        network = self.average.eval()
        found = [self._subject.find(network, image.pixels, self._device) for image in held_out]
        return agreement(found, held_out)

    def keep_best(self, weights: Path, figures: Mapping[str, float], noted: Mapping[str, Any]) -> None:
        """Write the weights where no earlier ones did as well."""
        if figures["mIoU"] >= self._best:
            self._best = figures["mIoU"]
            note = {**noted, "step": self.step, **{f"held-out {k}": v for k, v in figures.items()}}
            write_weights(self.average, weights, self._subject.name, note)

    def save(self, out: Path, noted: Mapping[str, Any]) -> None:
        """Write everything as a checkpoint, whole or not at all."""
        write_checkpoint(out, {**self.state(), "best": self._best, "settings": dict(noted)})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        super().restore(state)
        self._best = float(state["best"])


class _Examples(Dataset[Sample]):
    """Sample `i` of a training without end: images in an order of their own in every round over them."""

    def __init__(self, subject: Subject, images: Sequence[LabelledImage], seed: int, batch: int) -> None:
        self._sample, self._images, self._seed, self._batch = subject.sample, images, seed, batch

    def __getitem__(self, index: int) -> Sample:
        round_over, place = divmod(index, len(self._images))
        order = np.random.default_rng([self._seed, 1, round_over]).permutation(len(self._images))
        turned = bool(np.random.default_rng([self._seed, 2, index // self._batch]).random() < 0.5)
        rng = np.random.default_rng([self._seed, 3, index])
        return self._sample(self._images[int(order[place])], rng, turned)


def _batches(
    subject: Subject, images: Sequence[LabelledImage], settings: SupervisedTraining, step: int
) -> Generator[Batch]:
    """The batches of the steps still to do."""
    if step >= settings.steps:
        return
    workers: dict[str, Any] = {}
    if settings.workers:
        workers = {"prefetch_factor": 4, "multiprocessing_context": "spawn", "worker_init_fn": begin_worker}
    yield from DataLoader(
        _Examples(subject, images, settings.seed, settings.batch),
        settings.batch,
        sampler=range(step * settings.batch, settings.steps * settings.batch),
        num_workers=settings.workers,
        collate_fn=subject.collate,
        **workers,
    )


def agreement(found: Sequence[Sequence[FoundSperm]], images: Sequence[LabelledImage]) -> dict[str, float]:
    """Mean IoU of whole sperm, F1 at IoU 0.5 and mean IoU of heads, over all experts' sperm.

    Args:
        found: in each image.
        images: what the experts outlined in them.
    """
    overlaps: list[float] = []
    heads: list[float] = []
    predicted = 0
    for several, image in zip(found, images, strict=True):
        for expert in image.experts:
            predicted += len(several)
            for truth, mate in _paired(expert, [one.parts for one in several]):
                overlaps.append(_whole(truth).iou(_whole(mate)))
                heads.append(union(truth, _HEAD).iou(union(mate, _HEAD)))
    good = sum(value >= _LEAST_IOU for value in overlaps)
    return {
        "mIoU": round(float(np.mean(overlaps)), 4) if overlaps else 0.0,
        "F1": round(2 * good / max(1, len(overlaps) + predicted), 4),
        "head IoU": round(float(np.mean(heads)), 4) if heads else 0.0,
    }


_HEAD = ("acrosome", "nucleus", "vacuole", "head")
_ALL = (*_HEAD, "midpiece", "tail")


def _whole(parts: Parts) -> Region:
    return union(parts, _ALL)


def _paired(truth: Sequence[Parts], found: Sequence[Parts]) -> Iterator[tuple[Parts, Parts]]:
    """Every true sperm with the one paired to it, an empty one where there is none."""
    true, predicted = [_whole(parts) for parts in truth], [_whole(parts) for parts in found]
    overlap = np.array([[a.iou(b) for b in predicted] for a in true]).reshape(len(true), len(predicted))
    mates = dict(zip(*(side.tolist() for side in linear_sum_assignment(-overlap)), strict=True))
    for number, parts in enumerate(truth):
        yield parts, found[mates[number]] if number in mates else {}


def _fingerprint(data: TrainingData) -> str:
    """Tells one choice of files and images from another."""
    digest = hashlib.sha256()
    for path in data.truths:
        digest.update(sha256_of(path).encode())
    for names in (data.images, data.held_out):
        digest.update("\0".join([*names, ""]).encode())
    return digest.hexdigest()[:16]
