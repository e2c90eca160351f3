"""What `unet` is taught: maps of parts, as the experts outlined them on average."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from cascade.comparators.pieces import MAPS, sperm_of_maps
from cascade.comparators.protocol import FoundSperm
from cascade.comparators.unet import ARCHITECTURE, UNet, predict_maps
from cascade.training.augment import Placement, place, restain
from cascade.training.labels import FLAGELLUM, HEAD, LabelledImage, Parts
from cascade.training.learner import trains_in_bfloat16
from cascade.training.losses import dice_loss
from cascade.training.supervised import Sample, Subject
from cascade.types import FloatArray, UInt8Array

SHAPE = (512, 512)
"""Height and width of what is cut out of a working image."""
_LEARNT = {"parts": slice(0, 5), "head": slice(5, 6), "flagellum": slice(6, 7)}
_SHOWN = {**{name: (name,) for name in MAPS[:5]}, "head": HEAD, "flagellum": FLAGELLUM}
"""Map → parts that it shows."""


def sample(image: LabelledImage, rng: np.random.Generator, turned: bool) -> Sample:
    """`image`: `(H, W, 3)` uint8; `maps`: `(maps, H, W)` float32, share of the experts who see it there."""
    placement = place(image.pixels.shape, SHAPE, rng, turned)
    return {
        "image": restain(placement.picture(image.pixels), rng),
        "maps": np.stack([_maps(expert, placement) for expert in image.experts]).mean(0),
    }


def _maps(sperm: Sequence[Parts], placement: Placement) -> FloatArray:
    out = np.zeros((len(MAPS), *placement.shape), np.float32)
    for parts in sperm:
        for channel, name in enumerate(MAPS):
            for part in _SHOWN[name]:
                if part in parts:
                    placement.paint(parts[part], out[channel], 1.0)
    return out


def collate(samples: Sequence[Sample]) -> dict[str, Tensor]:
    """Samples stacked."""
    return {key: torch.from_numpy(np.stack([one[key] for one in samples])) for key in samples[0]}


def losses(network: nn.Module, batch: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Cross-entropy and Dice of the maps, by kind."""
    images = batch["image"].to(device).permute(0, 3, 1, 2).float()
    truth = batch["maps"].to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=trains_in_bfloat16(device)):
        logits = network(images.contiguous(memory_format=torch.channels_last)).float()
    return {
        name: 3 * F.binary_cross_entropy_with_logits(logits[:, some], truth[:, some])
        + dice_loss(logits[:, some], truth[:, some]).mean()
        for name, some in _LEARNT.items()
    }


def find(network: nn.Module, pixels: UInt8Array, device: torch.device) -> list[FoundSperm]:
    """The sperm in a normalised image at working size."""
    return sperm_of_maps(predict_maps(network, pixels, device))


SUBJECT = Subject(ARCHITECTURE, UNet, sample, collate, losses, find)
