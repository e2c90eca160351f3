"""What `maskrcnn` is taught: whole sperm and heads as boxes and masks, and a map of both beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from cascade.comparators.maskrcnn import ARCHITECTURE, HEAD, SPERM, SpermRCNN, find_sperm
from cascade.comparators.protocol import FoundSperm
from cascade.training import labels
from cascade.training.augment import place, restain
from cascade.training.labels import LabelledImage
from cascade.training.losses import dice_loss
from cascade.training.supervised import Sample, Subject
from cascade.types import UInt8Array

_LEAST_PIXELS = {SPERM: 60, HEAD: 30}
"""What a cut leaves of an instance is none when it is smaller, working pixels."""
_STRIDE = 4
"""Of the finest features."""


def sample(image: LabelledImage, rng: np.random.Generator, turned: bool) -> Sample:
    """An image laid anew, with one expert's outlines.

    Returns:
        `image`: `(H, W, 3)` uint8; `masks`: `(n, H, W)` uint8 0/1; `labels`: `(n,)` int64.
    """
    placement = place(image.pixels.shape, None, rng, turned)
    expert = image.experts[int(rng.integers(len(image.experts)))]
    masks, kinds = [], []
    for parts in expert:
        for kind, names in ((SPERM, (*labels.HEAD, *labels.FLAGELLUM)), (HEAD, labels.HEAD)):
            mask = placement.mask(labels.union(parts, names))
            if np.count_nonzero(mask) >= _LEAST_PIXELS[kind]:
                masks.append(mask)
                kinds.append(kind)
    return {
        "image": restain(placement.picture(image.pixels), rng),
        "masks": np.array(masks, np.uint8).reshape(-1, *placement.shape),
        "labels": np.array(kinds, np.int64),
    }


def collate(samples: Sequence[Sample]) -> list[dict[str, Tensor]]:
    """Samples as a list: each has its own number of instances."""
    return [{key: torch.from_numpy(value) for key, value in one.items()} for one in samples]


def losses(network: nn.Module, batch: Sequence[dict[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    """Those of Mask R-CNN, and that of the map, by name."""
    net = cast(SpermRCNN, network)
    pictures = [one["image"].to(device).permute(2, 0, 1).float() for one in batch]
    truth = [
        {
            "boxes": _boxes(one["masks"]).to(device),
            "labels": one["labels"].to(device),
            "masks": one["masks"].to(device),
        }
        for one in batch
    ]
    images = net.batched(pictures)
    features = net.backbone(images.tensors)
    proposals, of_proposals = net.propose(images, features, truth)
    _, of_instances = net.roi_heads(features, proposals, images.image_sizes, truth)
    found = {**of_proposals, **of_instances}
    return {
        "objectness": found["loss_objectness"],
        "proposals": found["loss_rpn_box_reg"],
        "class": found["loss_classifier"],
        "box": found["loss_box_reg"],
        "mask": found["loss_mask"],
        "map": _map_loss(net.dense(features["0"]), truth),
    }


def _boxes(masks: Tensor) -> Tensor:
    """`(n, 4)` x0, y0, x1, y1 of `(n, H, W)` masks, none of them empty."""
    out = torch.zeros((len(masks), 4))
    for number, mask in enumerate(masks):
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        out[number] = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return out


def _map_loss(logits: Tensor, truth: Sequence[dict[str, Tensor]]) -> Tensor:
    """Cross-entropy and Dice of heads and flagella, at the stride of the finest features."""
    total = logits.new_zeros(())
    for one, target in zip(logits.float(), truth, strict=True):
        wanted = [_union(target, kind) for kind in (HEAD, SPERM)]
        wanted[1] = wanted[1] * (1 - wanted[0])
        seen = F.avg_pool2d(torch.stack(wanted)[None], _STRIDE, ceil_mode=True)[0]
        inside = one[:, : seen.shape[1], : seen.shape[2]]
        total = total + 3 * F.binary_cross_entropy_with_logits(inside, seen) + dice_loss(inside, seen).mean()
    return total / max(1, len(truth))


def _union(target: dict[str, Tensor], kind: int) -> Tensor:
    masks = target["masks"][target["labels"] == kind]
    return (
        masks.any(0).float() if len(masks) else target["masks"].new_zeros(target["masks"].shape[1:]).float()
    )


def find(network: nn.Module, pixels: UInt8Array, device: torch.device) -> list[FoundSperm]:
    """The sperm in a normalised image at working size."""
    return find_sperm(cast(SpermRCNN, network), pixels, device, 1.0, (pixels.shape[0], pixels.shape[1]))


SUBJECT = Subject(ARCHITECTURE, SpermRCNN, sample, collate, losses, find)
