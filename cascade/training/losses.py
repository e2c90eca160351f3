"""What `tiny` is taught: dense maps first, then masks for prompts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the field's name for it

from cascade.sam.tiny_network import Features

_OTHER_TAIL = 4.0
"""Weight of other sperm's flagella in a mask's loss: there, and hardly elsewhere, the decision is hard."""


def dice_loss(logits: Tensor, truth: Tensor, sure: Tensor | None = None) -> Tensor:
    """1 - soft Dice over the last two axes, where `sure` is 1; 0 where truth is empty."""
    inside = logits.sigmoid()
    if sure is not None:
        inside, truth = inside * sure, truth * sure
    overlap = (inside * truth).sum((-2, -1))
    total = inside.sum((-2, -1)) + truth.sum((-2, -1))
    return torch.where(truth.sum((-2, -1)) > 0, 1 - (2 * overlap + 1) / (total + 1), torch.zeros_like(total))


def dense_loss(features: Features, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Loss of heads, flagella, direction and owner; every term is near 1 when nothing has been learnt."""
    dense, sure = features.dense.float(), batch["sure"].float()
    losses = {}
    for i, name in enumerate(("head", "tail")):
        truth = batch[name].float()
        entropy = F.binary_cross_entropy_with_logits(dense[:, i], truth, sure)
        losses[name] = 3 * entropy + dice_loss(dense[:, i], truth, sure).mean()
    alone = batch["alone"].float()
    cosine = F.cosine_similarity(dense[:, 2:], batch["direction"].float(), dim=1, eps=1e-4)
    losses["direction"] = ((1 - cosine) * alone).sum() / alone.sum().clamp(min=1)
    owned = batch["owned"].float()[:, None]
    error = F.smooth_l1_loss(features.owner.float(), batch["owner"].float(), reduction="none", beta=0.5)
    losses["owner"] = 0.3 * (error * owned).sum() / owned.sum().clamp(min=1)
    return losses


def mask_loss(
    logits: Tensor, scores: Tensor, truth: Tensor, known: Tensor, tails: Tensor
) -> dict[str, Tensor]:
    """Loss of the masks of one picture's prompts.

    Args:
        logits: `(B, 3, h, w)`.
        scores: `(B, 3)` predicted IoU.
        truth: `(B, 3, h, w)` 0–1.
        known: `(B, 3)` 1 where the picture can tell the truth.
        tails: `(h, w)` all flagella of the picture.
    """
    logits, scores = logits.float(), scores.float()
    weight = 1 + _OTHER_TAIL * torch.maximum(tails[None, None], truth)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, weight, reduction="none").mean((-2, -1))
    with torch.no_grad():
        inside = (logits > 0).float()
        overlap = (inside * truth).sum((-2, -1))
        iou = overlap / (inside.sum((-2, -1)) + truth.sum((-2, -1)) - overlap).clamp(min=1)
    total = known.sum().clamp(min=1)
    return {
        "mask": ((8 * entropy + dice_loss(logits, truth)) * known).sum() / total,
        "score": ((scores - iou).square() * known).sum() / total,
        "iou": iou.mul(known)[:, 2].sum() / known[:, 2].sum().clamp(min=1),
    }
