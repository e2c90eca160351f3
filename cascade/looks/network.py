"""The network that looks at small pictures, and its weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from cascade.looks import WEIGHTS
from cascade.looks.picture import CHANNELS, SIDE
from cascade.sam.folding import folded
from cascade.sam.tiny import has_fast_bfloat16
from cascade.sam.weightfile import read_weights
from cascade.types import FloatArray, UInt8Array

ARCHITECTURE = "looks"
MIRROR = (0, 1, 2, 3, 5, 4, 6)
"""A link seen from its other line: their channels change places."""
_WIDTHS = (24, 32, 48, 64)
_AT_ONCE = 64


class LookNetwork(nn.Module):
    """Small pictures and whether they show a head's tail → log-odds that the two parts are of one sperm."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = CHANNELS + 1
        for width in _WIDTHS:
            layers += [_conv(inputs, width, 2), _conv(width, width, 1)]
            inputs = width
        self.body = nn.Sequential(*layers)
        cells = (SIDE // 2 ** len(_WIDTHS)) ** 2
        self.head = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(inputs * cells, 64), nn.SiLU(True), nn.Linear(64, 1)
        )

    def forward(self, pictures: Tensor, pair: Tensor) -> Tensor:
        """Log-odds `(n,)` of `(n, CHANNELS, SIDE, SIDE)` pictures in 0–1; `pair`: `(n,)` 0 or 1."""
        kind = pair[:, None, None, None].expand(-1, 1, *pictures.shape[2:])
        stacked = torch.cat([pictures, kind], 1).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.head(self.body(stacked))[:, 0]
        return out


class LookJudge:
    """The taught network; safe to share between threads."""

    def __init__(self, network: LookNetwork) -> None:
        self._network = folded(network).to(memory_format=torch.channels_last)

    def odds(self, pictures: UInt8Array, pairs: bool) -> FloatArray:
        """Log-odds `(n,)` that both parts in each of `(n, CHANNELS, SIDE, SIDE)` pictures are of one sperm.

        Each is looked at twice, turned round: from its other line (links), or in a mirror (pairs).
        """
        fast = has_fast_bfloat16(torch.device("cpu"))
        out = [torch.zeros(0)]
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
            for start in range(0, len(pictures), _AT_ONCE):
                some = torch.from_numpy(pictures[start : start + _AT_ONCE]).float() / 255
                turned = some.flip(2) if pairs else some.flip(2, 3)[:, MIRROR]
                kind = torch.full((len(some),), float(pairs))
                seen = [self._network(view, kind).float() for view in (some, turned)]
                out.append((seen[0] + seen[1]) / 2)
        odds: FloatArray = torch.cat(out).double().numpy()
        return odds


@cache
def load_judge(path: Path = WEIGHTS) -> LookJudge:
    """The judge that ships with the package, or another's weights.

    Raises:
        ModelError: the file is missing, damaged, or of another architecture.
    """
    network = LookNetwork()
    read_weights(network, path, ARCHITECTURE)
    return LookJudge(network)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU(True)
    )
