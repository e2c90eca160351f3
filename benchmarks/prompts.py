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
from cascade.geometry import polyline_length
from cascade.preprocess import normalise
from cascade.prompts import MOST_POINTS, as_prompts, points_along
from cascade.sam.registry import TINY_WEIGHTS
from cascade.sam.tiny import read_network
from cascade.sam.tiny_network import MASK_STRIDE, PART_TOKEN
from cascade.synthesis import synthesize
from cascade.types import BoolArray, FloatArray, Region

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
            if one.flagellum is None or one.head is None:
                continue
            if polyline_length(one.flagellum_centreline) < _SHORTEST_HL * _HEAD_LENGTH:
                continue
            truth = one.flagellum.full(_SHAPE)
            ways = _ways(one.flagellum_centreline, one.head)
            prompts = as_prompts(list(ways.values()))
            with torch.inference_mode():
                logits, _ = network.decode(
                    features, torch.from_numpy(prompts.points), torch.from_numpy(prompts.labels)
                )
            for name, answer in zip(ways, logits[:, PART_TOKEN["tail"]].numpy() > 0, strict=True):
                found[name].append(_iou(answer, truth))
    rows = [
        [name, f"{np.mean(each):.3f}", f"{np.mean(np.array(each) >= _RIGHT):.2f}", str(len(each))]
        for name, each in found.items()
    ]
    print(table(["prompt", "IoU", f"{_RIGHT} or more", "tails"], rows))


def _ways(line: FloatArray, head: Region) -> dict[str, FloatArray]:
    """What the prompt is called → its points, `(n, 2)`."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    near, middle = (line[np.abs(arc - at) < _HEAD_LENGTH / 2] for at in (_HEAD_LENGTH / 2, arc[-1] / 2))
    ways = {f"{n} points along all of it": points_along(line, 1.0, n) for n in (MOST_POINTS, 4, 2)}
    ways["1 point, in its middle"] = points_along(line, 1.0, 1)
    ways["3 points along its first head length"] = points_along(near, _SPACING_HL * _HEAD_LENGTH)
    ways["3 points along a head length in its middle"] = points_along(middle, _SPACING_HL * _HEAD_LENGTH)
    x0, y0, x1, y1 = head.box
    ways["the middle of its head"] = np.array([[(x0 + x1) / 2, (y0 + y1) / 2]])
    return ways


def _iou(answer: BoolArray, truth: BoolArray) -> float:
    size = truth.shape[1] // MASK_STRIDE, truth.shape[0] // MASK_STRIDE
    small = cv2.resize(truth.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return float((answer & small).sum() / max((answer | small).sum(), 1))


if __name__ == "__main__":
    main()
