"""Meta's Segment Anything Models, ViT-B, -L and -H, behind the protocol.

An image is resized so that its longest side is 1024 px, normalised, padded at right and bottom to
1024×1024, and encoded once; prompts are decoded in bounded batches to masks of 256×256, of which the
unpadded part is kept. All of it follows `segment_anything.SamPredictor`, but no image is kept in the model,
so threads may share one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name that the field reads
from numpy.typing import NDArray
from PIL import Image
from segment_anything import sam_model_registry
from torch import Tensor

from cascade.sam.attention import fuse_attention
from cascade.sam.protocol import DenseMaps, Masks, Part, Prompts
from cascade.types import UInt8Array

Precision = Literal["float32", "bfloat16"]

INPUT_SIDE = 1024
MASK_SIDE = 256
CANDIDATES = 3

# Measured: one CPU core takes 85 ms a prompt in fours and 200 ms in sixty-fours, whose intermediate maps
# (2 GB) fall out of every cache; a GPU wants large batches.
CPU_BATCH = 4
GPU_BATCH = 64


class MetaSam:
    """A `segment_anything.Sam` as a `PromptableModel`. Safe to share between threads.

    Args:
        sam: the network with its weights, on the CPU; it becomes this object's own.
        name: registry name or file name.
        sha256: hash of the weights.
        device: "cpu", "cuda" or "cuda:N".
        precision: of the large matrix products; by default bfloat16 on a GPU that has it, else float32.
    """

    def __init__(
        self, sam: Any, name: str, sha256: str, device: str = "cpu", precision: Precision | None = None
    ) -> None:
        self._name, self._sha256 = name, sha256
        self._device = torch.device(device)
        self._on_gpu = self._device.type == "cuda"
        self._precision = precision or _default_precision(self._device)
        fuse_attention(sam.image_encoder)
        self._sam = sam.to(self._device).eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Registry name or file name."""
        return self._name

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return self._sha256

    def encode(self, image: UInt8Array, head_length: float) -> MetaEncoding:
        """Encode one image.

        Args:
            image: `(height, width, 3)` RGB, uint8.
            head_length: not used: SAM's working scale is fixed by its 1024 px input.

        Raises:
            ValueError: the array is not such an image, or has no pixels.
        """
        return self.encode_together([self.prepare(image, head_length)])[0]()

    def prepare(self, image: UInt8Array, head_length: float) -> MetaInput:
        """An image as the encoder takes it; see `encode`."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise ValueError(f"an image is (height, width, 3) uint8, got {image.dtype} {image.shape}")
        height, width = image.shape[:2]
        resized = resized_shape((height, width))
        # Pillow's antialiased bilinear filter is the one that SAM was trained with.
        small = Image.fromarray(image).resize(resized[::-1], Image.Resampling.BILINEAR)
        return MetaInput(np.array(small), (height, width))

    def encode_together(self, prepared: Sequence[MetaInput]) -> list[Callable[[], MetaEncoding]]:
        """One pass of the encoder over several images."""
        with torch.inference_mode(), self._autocast():
            batch = torch.cat([self._normal(one.pixels) for one in prepared])
            features = self._sam.image_encoder(batch).float()
        return [
            partial(MetaEncoding, self, features[index : index + 1], one.whole)
            for index, one in enumerate(prepared)
        ]

    def decode(self, encoding: MetaEncoding, prompts: Prompts) -> Masks:
        """Three candidate masks for every prompt; see `MetaEncoding.decode`."""
        height, width = resized_shape(encoding.shape)
        rows, columns = -(-height * MASK_SIDE // INPUT_SIDE), -(-width * MASK_SIDE // INPUT_SIDE)
        logits = np.empty((len(prompts), CANDIDATES, rows, columns), np.float32)
        scores = np.empty((len(prompts), CANDIDATES), np.float32)
        points = model_points(prompts.points, encoding.shape)
        for batch in _batches(len(prompts), GPU_BATCH if self._on_gpu else CPU_BATCH):
            masks, quality = self._decode_batch(encoding.features, points[batch], prompts.labels[batch])
            logits[batch] = masks[..., :rows, :columns].float().cpu().numpy()
            scores[batch] = quality.float().clamp(0, 1).cpu().numpy()
        return Masks(logits, scores, MASK_SIDE / max(encoding.shape))

    def _normal(self, resized: UInt8Array) -> Tensor:
        """`(height, width, 3)` uint8 → `(1, 3, 1024, 1024)` normalised, padded with 0 (the mean colour)."""
        height, width = resized.shape[:2]
        pixels = torch.from_numpy(resized).to(self._device).permute(2, 0, 1)
        normal = (pixels - self._sam.pixel_mean) / self._sam.pixel_std
        return F.pad(normal, (0, INPUT_SIDE - width, 0, INPUT_SIDE - height))[None]

    def _decode_batch(
        self, features: Tensor, points: NDArray[np.float32], labels: NDArray[np.int8]
    ) -> tuple[Tensor, Tensor]:
        """`(batch, n, 2)` model points → `(batch, 3, 256, 256)` logits and `(batch, 3)` predicted IoU."""
        encoder = self._sam.prompt_encoder
        with torch.inference_mode():
            # Positions stay in float32: bfloat16 would round a coordinate of 1024 px to a step of 4 px.
            sparse, dense = encoder(
                points=(
                    torch.from_numpy(points).to(self._device),
                    torch.from_numpy(labels.astype(np.int32)).to(self._device),
                ),
                boxes=None,
                masks=None,
            )
            with self._autocast():
                masks, quality = self._sam.mask_decoder(
                    image_embeddings=features,
                    image_pe=encoder.get_dense_pe(),
                    sparse_prompt_embeddings=sparse,
                    dense_prompt_embeddings=dense,
                    multimask_output=True,
                )
        return masks, quality

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class MetaInput:
    """An image as Meta's encoder takes it.

    Attributes:
        pixels: `(h, w, 3)` uint8, the longest side 1024 px.
        whole: `(height, width)` of the image.
    """

    pixels: UInt8Array
    whole: tuple[int, int]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of every input: the encoder takes padded squares."""
        return INPUT_SIDE, INPUT_SIDE, 3


@dataclass(frozen=True, eq=False)
class MetaEncoding:
    """One image as Meta's encoder sees it.

    Attributes:
        model: the model that encoded it.
        features: `(1, 256, 64, 64)` float32, on the model's device.
        shape: `(height, width)` of the image.
    """

    model: MetaSam
    features: Tensor
    shape: tuple[int, int]

    @property
    def dense(self) -> DenseMaps | None:
        """None: Meta's models answer prompts only."""
        return None

    def decode(self, prompts: Prompts, part: Part) -> Masks:
        """Three candidate masks for every prompt (SAM's whole, part and subpart).

        Args:
            prompts: points in image pixels.
            part: not used: SAM knows no parts of a sperm.

        Returns:
            Logits `(batch, 3, h, w)` over the image alone, the input's padding cropped off.
        """
        return self.model.decode(self, prompts)


def resized_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """`(height, width)` of an image after its longest side became 1024 px."""
    factor = INPUT_SIDE / max(shape)
    height, width = (max(1, int(side * factor + 0.5)) for side in shape)
    return height, width


def model_points(points: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Points in image pixels → pixels of the resized image, as SAM's own predictor maps them.

    It scales about the centre of the first pixel, not about the corner of the image as the resizing does:
    off by `(1024 / longest side - 1) / 2` pixels of 1024. Kept, so that answers equal the reference's.
    """
    height, width = resized_shape(shape)
    factors = np.array([width / shape[1], height / shape[0]])
    scaled: NDArray[np.float32] = (points * factors).astype(np.float32)
    return scaled


def build_random(
    name: str, seed: int = 0, device: str = "cpu", precision: Precision | None = None
) -> MetaSam:
    """One of Meta's architectures with random weights: for tests and for timing without a download.

    Args:
        name: "vit_b", "vit_l" or "vit_h".
        seed: same seed, same weights.
        device, precision: as for `MetaSam`.

    Raises:
        KeyError: no such architecture.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = sam_model_registry[name]()
        for key, weight in sam.image_encoder.named_parameters():
            if "pos" in key:  # starts as zeros, which would hide mistakes in positions
                torch.nn.init.normal_(weight.data, std=0.02)
    identity = hashlib.sha256(f"random {name} {seed}".encode()).hexdigest()
    return MetaSam(sam, f"{name}-random", identity, device, precision)


def from_state(architecture: str, state: dict[str, Tensor], name: str, sha256: str, device: str) -> MetaSam:
    """A model with the given weights.

    Args:
        architecture: "vit_b", "vit_l" or "vit_h".
        state: SAM's state dict, on the CPU, of exactly that architecture's keys and shapes (`weight_shapes`).
        name, sha256, device: as for `MetaSam`.
    """
    sam = _empty(architecture)
    sam.load_state_dict({key: weight.float() for key, weight in state.items()}, assign=True)
    return MetaSam(sam, name, sha256, device)


def weight_shapes(architecture: str) -> dict[str, tuple[int, ...]]:
    """Key → shape of every weight of "vit_b", "vit_l" or "vit_h"."""
    return {key: tuple(weight.shape) for key, weight in _empty(architecture).state_dict().items()}


def _empty(architecture: str) -> Any:
    """The network without memory for its weights: filling a ViT-H's 2.5 GB takes seconds, for nothing."""
    with torch.device("meta"):
        return sam_model_registry[architecture]()


def _default_precision(device: torch.device) -> Precision:
    """bfloat16 where a GPU computes in it: NVIDIA's from Ampere (compute capability 8) on."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return "bfloat16"
    return "float32"


def _batches(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
