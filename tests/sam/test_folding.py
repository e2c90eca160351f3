"""Normalisations folded into convolutions: the same answers from a copy, the original as it was."""

import torch
from torch import nn

from cascade.looks.network import LookNetwork
from cascade.sam.folding import folded
from cascade.sam.tiny_network import TinyEncoder


def taught(network: nn.Module) -> nn.Module:
    """With statistics as after some steps of training."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network.eval()


def normalisations(network: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d) for one in network.modules())


@torch.inference_mode()
def test_the_encoder_says_the_same_without_its_normalisations() -> None:
    network = taught(TinyEncoder())
    copy = folded(network)
    assert normalisations(copy) == 0
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(copy(image).dense, network(image).dense, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(copy(image).embedding, network(image).embedding, rtol=1e-3, atol=1e-3)


@torch.inference_mode()
def test_so_does_the_judge() -> None:
    network = taught(LookNetwork())
    pictures, kind = torch.rand(3, 7, 96, 96), torch.zeros(3)
    torch.testing.assert_close(folded(network)(pictures, kind), network(pictures, kind), rtol=1e-3, atol=1e-3)


def test_the_original_goes_on_learning() -> None:
    network = LookNetwork().train()
    before = normalisations(network)
    folded(network)
    assert normalisations(network) == before > 0
    assert network.training
