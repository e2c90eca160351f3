"""`tiny`: the promptable model that ships with the package; its network is in `cascade.sam.tiny_network`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cascade.geometry import unit_vectors
from cascade.prompts import MOST_POINTS
from cascade.sam.checkpoints import sha256_of
from cascade.sam.colours import in_known_colours
from cascade.sam.folding import folded
from cascade.sam.protocol import DenseMaps, Masks, Part, Prompts
from cascade.sam.registry import TINY_WEIGHTS
from cascade.sam.tiny_network import ALIGN, MASK_STRIDE, PART_TOKEN, STRIDE, Features, TinySam
from cascade.sam.weightfile import read_note, read_weights, write_weights
from cascade.types import UInt8Array

ARCHITECTURE = "tiny"
WORKING_HEAD_LENGTH = 45.0
"""Head length, in pixels, at which the network sees an image."""
MOST_ENLARGED = 2.0
"""No image is enlarged by more, however short its heads: it would cost memory and show nothing new."""
MOST_PIXELS = 12_000_000
"""Working pixels of an image, at most; what would have more is seen at a smaller scale."""
_WINDOW = 24
"""Embedding cells a side of the window that is decoded around a prompt, at least: 4 head lengths.

A prompt costs what its window holds, and whole images of it find no more.
"""
_MARGIN_CELLS: dict[Part, int] = {"head": 10, "tail": 6}
"""Cells of a window beyond the outermost points of its prompt; points run along tails, so fewer will do."""
_WINDOW_STEP = 8
_MASK_CELL = STRIDE // MASK_STRIDE
"""Mask pixels per embedding cell."""
_OUTSIDE = -20.0
"""Mask logit beyond the window."""
_CELLS_AT_ONCE = {"cpu": 40_960, "cuda": 655_360}
"""Embedding cells times prompts that are decoded together.

On a CPU, more at once is no faster (its caches overflow) and takes more memory.
"""


_SHAPES = 32
"""Convolutions compiled for CPUs that are kept."""


@dataclass(frozen=True, eq=False)
class TinyEncoding:
    """One encoded image; see `cascade.sam.protocol.Encoding`."""

    model: Tiny
    features: Features
    scale: float
    size: tuple[int, int]
    dense: DenseMaps

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        """Masks of one part of the sperm that each prompt lies on, `(batch, 1, h, w)`."""
        return self.model._decode(self, prompts, part)


@dataclass(frozen=True, eq=False)
class _TinyInput:
    """An image at its working scale.

    Attributes:
        pixels: `(H, W, 3)` uint8, padded as the network wants it.
        scale: working pixels per image pixel.
        size: width and height without the padding.
        whole: width and height of the image.
    """

    pixels: UInt8Array
    scale: float
    size: tuple[int, int]
    whole: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pixels.shape


class Tiny:
    """The shipped model on a device; safe to share between threads."""

    def __init__(self, network: TinySam, device: torch.device, sha256: str, name: str = ARCHITECTURE) -> None:
        self._network = folded(network).to(device, memory_format=torch.channels_last).eval()
        self._device = device
        self.sha256 = sha256
        self.name = name

    def encode(self, image: UInt8Array, head_length: float) -> TinyEncoding:
        """Encode `(height, width, 3)` RGB at the working scale that `head_length` (pixels) asks for."""
        return self.encode_together([self.prepare(image, head_length)])[0]()

    def prepare(self, image: UInt8Array, head_length: float) -> _TinyInput:
        """An image as the network takes it; see `encode`."""
        height, width = image.shape[:2]
        scale = _working_scale(height, width, head_length)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = in_known_colours(np.asarray(cv2.resize(image, size, interpolation=method), np.uint8))
        padded = cv2.copyMakeBorder(small, 0, -size[1] % ALIGN, 0, -size[0] % ALIGN, cv2.BORDER_REPLICATE)
        return _TinyInput(np.asarray(padded, np.uint8), scale, size, (width, height))

    def encode_together(self, prepared: Sequence[_TinyInput]) -> list[Callable[[], TinyEncoding]]:
        """One pass of the network over images of equal shape."""
        pixels = np.stack([one.pixels for one in prepared])
        with torch.inference_mode(), self._precision():
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float()
            features = self._network.encode(batch.contiguous(memory_format=torch.channels_last))
        return [partial(self._finish, one, features, index) for index, one in enumerate(prepared)]

    def _finish(self, one: _TinyInput, features: Features, index: int) -> TinyEncoding:
        width, height = one.size
        with torch.inference_mode():
            features = features.pick(index)
            dense = features.dense[0, :, :height, :width].float()
            maps = torch.cat([dense[:2].sigmoid(), dense[2:]]).permute(1, 2, 0).cpu().numpy()
        return TinyEncoding(self, features, one.scale, one.size, _dense_maps(maps, one.whole))

    def _decode(self, encoding: TinyEncoding, prompts: Prompts, part: Part) -> Masks:
        width, height = (-(-side // MASK_STRIDE) for side in encoding.size)
        logits = np.full((len(prompts), 1, height, width), _OUTSIDE, np.float32)
        scores = np.empty((len(prompts), 1), np.float32)
        points, labels = _padded_as_taught(prompts)
        points = (points + 0.5) * encoding.scale - 0.5
        cells = encoding.features.embedding.shape[-2:]
        with torch.inference_mode(), self._precision():
            for window in _windows(points, labels, (cells[0], cells[1]), part, self._device.type):
                out, quality = self._decode_window(encoding.features, window, points, labels, part)
                for mask, index, (x, y) in zip(out, window.members, window.origins * _MASK_CELL, strict=True):
                    inside = logits[index, 0, y : y + mask.shape[0], x : x + mask.shape[1]]
                    inside[:] = mask[: inside.shape[0], : inside.shape[1]]
                scores[window.members, 0] = quality
        return Masks(logits, scores, encoding.scale / MASK_STRIDE)

    def _decode_window(
        self,
        features: Features,
        window: _Windows,
        points: NDArray[np.float32],
        labels: NDArray[np.int8],
        part: Part,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits `(n, h, w)` and scores `(n,)` of the members' windows."""
        crops = features.crops(window.origins, window.size)
        shifted = points[window.members] - window.origins[:, None].astype(np.float32) * STRIDE
        token = PART_TOKEN[part]
        logits, scores = self._network.decode(
            crops,
            torch.from_numpy(shifted).to(self._device),
            torch.from_numpy(labels[window.members]).to(self._device),
            slice(token, token + 1),
        )
        return logits[:, 0].float().cpu().numpy(), scores[:, 0].float().clamp(0, 1).cpu().numpy()

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=has_fast_bfloat16(self._device))


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the faster arithmetic: on CUDA from Ampere on, on CPUs with instructions for it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _working_scale(height: int, width: int, head_length: float) -> float:
    """Working pixels per image pixel."""
    most = min(MOST_ENLARGED, math.sqrt(MOST_PIXELS / (height * width)))
    return min(WORKING_HEAD_LENGTH / head_length, most)


@dataclass(frozen=True, eq=False)
class _Windows:
    """Prompts that are decoded together, each in a window of its own; everything in embedding cells.

    Attributes:
        members: `(n,)` indices of the prompts.
        origins: `(n, 2)` x, y of the first cell of their windows.
        size: width and height of the windows.
    """

    members: NDArray[np.intp]
    origins: NDArray[np.intp]
    size: tuple[int, int]


def _windows(
    points: NDArray[np.float32], labels: NDArray[np.int8], cells: tuple[int, int], part: Part, device: str
) -> Iterator[_Windows]:
    """Windows around prompts: at least as large as `_WINDOW`, no larger than the image.

    Args:
        points: `(batch, n, 2)` in working pixels.
        labels: `(batch, n)`.
        cells: height and width of the embedding.
        part: what the prompts aim at.
        device: type of device, which says how many are decoded at once.
    """
    real = (labels != -1)[..., None]
    low = np.where(real, points, np.inf).min(1, initial=np.inf)
    high = np.where(real, points, -np.inf).max(1, initial=-np.inf)
    low, high = np.where(np.isfinite(low), low, 0), np.where(np.isfinite(high), high, 0)
    needed = (high - low) / STRIDE + 2 * _MARGIN_CELLS[part]
    most = np.array(cells[::-1])
    size = np.maximum(_WINDOW, _WINDOW_STEP * np.ceil(needed / _WINDOW_STEP))
    size = np.minimum(size, most).astype(np.intp)
    origins = np.clip(np.round((low + high) / 2 / STRIDE - size / 2), 0, most - size).astype(np.intp)
    for width, height in np.unique(size, axis=0).tolist():
        members = np.flatnonzero((size == (width, height)).all(1))
        at_once = max(1, _CELLS_AT_ONCE.get(device, _CELLS_AT_ONCE["cpu"]) // (width * height))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            yield _Windows(some, origins[some], (width, height))


def _padded_as_taught(prompts: Prompts) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Prompts padded to as many points as the network was taught with, `(batch, n, 2)` and `(batch, n)`.

    Padding is a token that the network attends to, so its amount must not depend on the other prompts.
    """
    last = np.argsort(prompts.labels == -1, axis=1, kind="stable")
    labels = np.take_along_axis(prompts.labels, last, axis=1)
    points = np.take_along_axis(prompts.points, last[..., None], axis=1)
    used = int((labels != -1).sum(1).max(initial=0))
    number = max(MOST_POINTS, used)
    out_points = np.zeros((len(prompts), number, 2), np.float32)
    out_labels = np.full((len(prompts), number), -1, np.int8)
    out_points[:, :used], out_labels[:, :used] = points[:, :used], labels[:, :used]
    return out_points, out_labels


def _dense_maps(maps: NDArray[np.float32], size: tuple[int, int]) -> DenseMaps:
    """Bring `(h, w, 4)` maps to the image's size, `(width, height)`."""
    full = np.asarray(cv2.resize(maps, size, interpolation=cv2.INTER_LINEAR), np.float32)
    head, tail, x, y = (np.asarray(one, np.float32) for one in cv2.split(full))
    return DenseMaps(head, tail, unit_vectors(x, y))


def load_tiny(path: Path = TINY_WEIGHTS, device: torch.device | None = None) -> Tiny:
    """Load weights written by `save_tiny`.

    Raises:
        ModelError: the file is missing, damaged, or of another architecture.
    """
    # Every image has a working scale of its own. The library that convolves on the CPU keeps what it has
    # compiled for up to 1,024 shapes, hundreds of MiB; it reads this when it is first used.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_SHAPES))
    network = read_network(path)
    name = ARCHITECTURE if path == TINY_WEIGHTS else path.name
    return Tiny(network, device or torch.device("cpu"), sha256_of(path), name)


def read_network(path: Path) -> TinySam:
    """The network with the weights of a file, on the CPU.

    Raises:
        ModelError: as `load_tiny`.
    """
    network = TinySam()
    read_weights(network, path, ARCHITECTURE)
    return network


def read_training(path: Path) -> dict[str, Any]:
    """What `save_tiny` noted of how weights were trained.

    Raises:
        ModelError: the file is missing, damaged, or of another architecture.
    """
    return read_note(path, ARCHITECTURE)


def save_tiny(network: TinySam, path: Path, training: dict[str, Any]) -> None:
    """Write half-precision weights, whole or not at all, with a note of how they were trained.

    Raises:
        OutputError: the file cannot be written.
    """
    write_weights(network, path, ARCHITECTURE, training)
