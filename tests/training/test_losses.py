"""Losses on pictures drawn by hand: near 0 for the right answer, blind to what cannot be known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cascade.sam.tiny_network import Features
from cascade.training.losses import dense_loss, mask_loss
from cascade.training.samples import sample
from cascade.training.scene import Scene

SURE = 20.0


@pytest.fixture(scope="module")
def batch(crossing: Scene) -> dict[str, Tensor]:
    """A sample that shows both sperm."""
    for seed in range(100):
        one = sample(crossing, np.random.default_rng(seed), 4)
        if one["head"].any() and one["tail"].sum() > 5000:
            return {key: torch.from_numpy(value)[None] for key, value in one.items()}
    raise AssertionError("no sample shows both sperm")


def answer(batch: dict[str, Tensor]) -> Features:
    """What a network that is right and sure would say."""
    masks = torch.stack([batch["head"], batch["tail"]], 1).float() * 2 * SURE - SURE
    dense = torch.cat([masks, batch["direction"].float()], 1)
    nothing = torch.zeros(0)
    return Features(nothing, nothing, nothing, dense, batch["owner"].float())


# --- dense maps


def test_the_right_dense_maps_cost_nothing(batch: dict[str, Tensor]) -> None:
    losses = dense_loss(answer(batch), batch)
    assert set(losses) == {"head", "tail", "direction", "owner"}
    assert all(float(loss) < 1e-3 for loss in losses.values())


def test_wrong_dense_maps_cost_by_kind(batch: dict[str, Tensor]) -> None:
    right = answer(batch)
    for index, name in enumerate(("head", "tail")):
        dense = right.dense.clone()
        dense[:, index] *= -1
        losses = dense_loss(replace(right, dense=dense), batch)
        assert [key for key, loss in losses.items() if float(loss) > 0.5] == [name]
    backwards = right.dense * torch.tensor([1, 1, -1, -1])[:, None, None]
    losses = dense_loss(replace(right, dense=backwards), batch)
    assert float(losses["direction"]) == pytest.approx(2, abs=1e-3)
    astray = dense_loss(replace(right, owner=right.owner + 1), batch)
    assert float(astray["owner"]) > 0.3


def test_direction_and_owner_count_only_where_they_are_known(batch: dict[str, Tensor]) -> None:
    right = answer(batch)
    dense = right.dense.clone()
    dense[:, 2:] += 5 * (1 - batch["alone"].float())
    owner = right.owner + 5 * (1 - batch["owned"].float())
    losses = dense_loss(replace(right, dense=dense, owner=owner), batch)
    assert float(losses["direction"]) < 1e-3
    assert float(losses["owner"]) < 1e-3


def test_a_picture_of_nothing_has_finite_losses(batch: dict[str, Tensor]) -> None:
    nothing = {key: torch.zeros_like(value) for key, value in batch.items()}
    losses = dense_loss(answer(nothing), nothing)
    assert all(float(loss) < 1e-3 for loss in losses.values())


def test_every_dense_map_learns(batch: dict[str, Tensor]) -> None:
    dense = torch.full_like(answer(batch).dense, 0.1, requires_grad=True)
    owner = torch.zeros_like(batch["owner"], requires_grad=True)
    features = replace(answer(batch), dense=dense, owner=owner)
    torch.stack(list(dense_loss(features, batch).values())).sum().backward()
    assert dense.grad is not None
    assert owner.grad is not None
    assert (dense.grad[0].abs().amax((1, 2)) > 0).all()
    assert owner.grad.abs().max() > 0


# --- masks


def masks(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Truth of two prompts, which of it is known (all), and the tails of the picture."""
    truth = (batch["masks"][0, :2] > 127).float()
    tails = (torch.nn.functional.avg_pool2d(batch["tail"].float(), 2) > 0.5).float()[0]
    return truth, torch.ones(2, 3), tails


def test_the_right_masks_cost_nothing(batch: dict[str, Tensor]) -> None:
    truth, known, tails = masks(batch)
    losses = mask_loss(truth * 2 * SURE - SURE, torch.ones(2, 3), truth, known, tails)
    assert float(losses["mask"]) < 1e-3
    assert float(losses["score"]) < 1e-3
    assert float(losses["iou"]) == 1


def test_the_score_is_taught_the_iou(batch: dict[str, Tensor]) -> None:
    truth, known, tails = masks(batch)
    everything = torch.full_like(truth, SURE)
    share = truth.mean((-2, -1))
    modest = mask_loss(everything, share, truth, known, tails)
    boastful = mask_loss(everything, share + 0.5, truth, known, tails)
    assert float(modest["score"]) < 1e-6
    assert float(boastful["score"]) == pytest.approx(0.25, abs=1e-3)
    assert float(modest["iou"]) == pytest.approx(float(share[:, 2].mean()))


def test_another_sperms_tail_costs_more_than_background(batch: dict[str, Tensor]) -> None:
    _, known, _ = masks(batch)
    truth, tails = torch.zeros(2, 3, 20, 20), torch.zeros(20, 20)
    truth[..., :5, :] = 1
    tails[:5], tails[10:15] = 1, 1
    right = truth * 2 * SURE - SURE
    on_tail, on_background = right.clone(), right.clone()
    on_tail[..., 10:15, :] *= -1
    on_background[..., 15:, :] *= -1
    scores = torch.ones(2, 3)
    costly, cheap = (mask_loss(x, scores, truth, known, tails)["mask"] for x in (on_tail, on_background))
    assert float(costly) > 3 * float(cheap) > 0


def test_unknown_masks_do_not_count(batch: dict[str, Tensor]) -> None:
    truth, _, tails = masks(batch)
    known = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    logits = truth * 2 * SURE - SURE
    logits[known == 0] *= -1
    scores = torch.where(known > 0, 1.0, 9.0)
    losses = mask_loss(logits, scores, truth, known, tails)
    assert float(losses["mask"]) < 1e-3
    assert float(losses["score"]) < 1e-3
    assert float(losses["iou"]) == 1
    nothing = mask_loss(logits, scores, truth, torch.zeros(2, 3), tails)
    assert all(float(loss) == 0 for loss in nothing.values())


def test_masks_and_scores_learn(batch: dict[str, Tensor]) -> None:
    truth, known, tails = masks(batch)
    logits = torch.zeros_like(truth, requires_grad=True)
    scores = torch.full((2, 3), 0.9, requires_grad=True)
    losses = mask_loss(logits, scores, truth, known, tails)
    (losses["mask"] + losses["score"]).backward()
    assert logits.grad is not None
    assert scores.grad is not None
    assert (logits.grad.abs().amax((-2, -1)) > 0).all()
    assert (scores.grad != 0).all()
    assert not losses["iou"].requires_grad
