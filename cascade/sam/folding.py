"""Networks as they are used: normalisations that follow convolutions are folded into these."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

N = TypeVar("N", bound=nn.Module)


def folded(network: N) -> N:
    """A copy that answers the same, a little faster, and learns no more."""
    out = deepcopy(network).eval()
    for sequence in [one for one in out.modules() if isinstance(one, nn.Sequential)]:
        for i, (first, second) in enumerate(pairwise(sequence)):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                sequence[i], sequence[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return out
