"""How a prompt should show a tail: the IoU of `tiny`'s answers to points here and there on it.

    python benchmarks/prompts.py --smears 16

Synthetic smears that training has not seen, with exact truth; prompts are decoded over the whole picture. A
box is not tried: around a tail it holds whatever the tail crosses.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import cv2
import numpy as np
import torch

from cascade.benchmark.tables import table
from cascade.preprocess import normalise
from cascade.prompts import MOST_POINTS, points_along
from cascade.sam.registry import TINY_WEIGHTS
from cascade.sam.tiny import read_network
from cascade.sam.tiny_network import MASK_STRIDE, PART_TOKEN
from cascade.synthesis import synthesize
from cascade.synthesis.render import SyntheticSperm
from cascade.types import BoolArray, FloatArray

_SHAPE, _HEAD_LENGTH, _FIRST_SEED = (512, 640), 45.0, 990_000
_SHORTEST_HL = 3.0
"""Shorter tails, cut by the border, are not asked about."""
_RIGHT = 0.5
_SPACING_HL = 0.35
"""Between points along a stretch, as in training."""


def main() -> None:
    """Ask about every tail of every smear in every way, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--smears", type=int, default=16)
    options = parser.parse_args()
    network = read_network(TINY_WEIGHTS).eval()
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(_FIRST_SEED, _FIRST_SEED + options.smears):
        smear = synthesize(seed, _SHAPE, _HEAD_LENGTH)
        picture = torch.from_numpy(normalise(smear.image)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            features = network.encode(picture)
        for one in smear.sperm:
            if one.flagellum is None or one.head is None or _length(one) < _SHORTEST_HL:
                continue
            truth = one.flagellum.full(_SHAPE)
            ways = _ways(one)
            points, labels = _together(list(ways.values()))
            with torch.inference_mode():
                logits, _ = network.decode(features, points, labels)
            for name, answer in zip(ways, logits[:, PART_TOKEN["tail"]].numpy() > 0, strict=True):
                found[name].append(_iou(answer, truth))
    rows = [
        [name, f"{np.mean(each):.3f}", f"{np.mean(np.array(each) >= _RIGHT):.2f}", str(len(each))]
        for name, each in found.items()
    ]
    print(table(["prompt", "IoU", f"{_RIGHT} or more", "tails"], rows))


def _ways(one: SyntheticSperm) -> dict[str, FloatArray]:
    line = one.flagellum_centreline
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    near, middle = (line[np.abs(arc - at) < _HEAD_LENGTH / 2] for at in (_HEAD_LENGTH / 2, arc[-1] / 2))
    ways = {f"{n} points along all of it": points_along(line, 1.0, n) for n in (MOST_POINTS, 4, 2)}
    ways["1 point, in its middle"] = points_along(line, 1.0, 1)
    ways["3 points along its first head length"] = points_along(near, _SPACING_HL * _HEAD_LENGTH)
    ways["3 points along a head length in its middle"] = points_along(middle, _SPACING_HL * _HEAD_LENGTH)
    assert one.head is not None
    x0, y0, x1, y1 = one.head.box
    ways["the middle of its head"] = np.array([[(x0 + x1) / 2, (y0 + y1) / 2]])
    return ways


def _together(several: list[FloatArray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of several prompts, padded: `(n, 8, 2)`, and their labels `(n, 8)`."""
    points = np.zeros((len(several), MOST_POINTS, 2), np.float32)
    labels = np.full((len(several), MOST_POINTS), -1, np.int8)
    for i, some in enumerate(several):
        points[i, : len(some)], labels[i, : len(some)] = some, 1
    return torch.from_numpy(points), torch.from_numpy(labels)


def _iou(answer: BoolArray, truth: BoolArray) -> float:
    size = truth.shape[1] // MASK_STRIDE, truth.shape[0] // MASK_STRIDE
    small = cv2.resize(truth.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return float((answer & small).sum() / max((answer | small).sum(), 1))


def _length(one: SyntheticSperm) -> float:
    line = one.flagellum_centreline
    if len(line) < 2:
        return 0.0
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) / _HEAD_LENGTH


if __name__ == "__main__":
    main()
