"""`maskrcnn`: Mask R-CNN finds whole sperm and heads as instances; each sperm takes the head it contains.

The backbone is small and learns from scratch, hence with group normalisation. Masks are decoded from the
finest features on a finer grid than usual, because tails are thin.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.models.resnet import resnet18
from torchvision.ops import MultiScaleRoIAlign

from cascade.comparators.identity import identity
from cascade.comparators.protocol import FoundSperm
from cascade.comparators.scale import enlarged, shrunk, working_scale
from cascade.instances import without
from cascade.preprocess import normalise
from cascade.sam.checkpoints import sha256_of
from cascade.sam.registry import resolve_device
from cascade.sam.weightfile import read_weights
from cascade.training.learner import trains_in_bfloat16
from cascade.types import Region, UInt8Array

ARCHITECTURE = "maskrcnn"
SHIPPED = Path(__file__).parent / "weights" / "maskrcnn.safetensors"
SPERM, HEAD = 1, 2
"""Labels of the two kinds of instances."""
_LEVELS = ("layer1", "layer2", "layer3", "layer4")
_CHANNELS = 80
_ALIGN, _STRIDE = 32, 4
_MASK_SIDE = 48
"""Cells a side of the grid on which a mask is decoded; the mask has twice as many."""
_ANCHORS = ((34, 64), (100, 150), (220, 310))
"""Sizes by level, working pixels: heads are about 34, whole sperm 50 to 340. The finest level has none."""
_RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LEAST_SCORE = 0.05
_SURE = 0.6
"""Least score of a whole sperm."""
_SPERM_LEVEL, _MAP_LEVEL, _HEAD_LEVEL = 0.35, 0.5, 0.5
"""Where masks are cut. A flagellum covers few cells of its sperm's mask, which errs on the low side: it is
cut low, and held to the map of heads and flagella."""
_HEAD_INSIDE = 0.5
"""Share of a head that lies in the mask of its sperm, at least."""


class _Backbone(BackboneWithFPN):  # type: ignore[misc]
    """The feature pyramid; learns in bfloat16 where that is faster. Boxes need all digits."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fast = self.training and trains_in_bfloat16(images.device)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=fast):
            features = super().forward(images.contiguous(memory_format=torch.channels_last))
        return {name: value.float() for name, value in features.items()}


class _MaskHead(MaskRCNNHeads):  # type: ignore[misc]
    """The convolutions before a mask, in bfloat16 like the backbone."""

    def forward(self, features: Tensor) -> Tensor:
        fast = self.training and trains_in_bfloat16(features.device)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=fast):
            return cast(Tensor, super().forward(features)).float()


class SpermRCNN(MaskRCNN):  # type: ignore[misc]
    """Mask R-CNN with a ResNet-18, and a map of heads and flagella beside."""

    def __init__(self) -> None:
        body = resnet18(weights=None, norm_layer=_groups)
        backbone = _Backbone(
            body,
            {layer: str(number) for number, layer in enumerate(_LEVELS)},
            [64, 128, 256, 512],
            _CHANNELS,
            norm_layer=_groups,
        )
        backbone.fpn.extra_blocks = None
        levels = [str(number) for number in range(len(_LEVELS))]
        super().__init__(
            backbone,
            rpn_anchor_generator=AnchorGenerator(_ANCHORS, (_RATIOS,) * len(_ANCHORS)),
            rpn_pre_nms_top_n_train=500,
            rpn_post_nms_top_n_train=300,
            rpn_pre_nms_top_n_test=500,
            rpn_post_nms_top_n_test=300,
            box_roi_pool=MultiScaleRoIAlign(levels, 7, 2),
            box_head=TwoMLPHead(_CHANNELS * 49, 256),
            box_predictor=FastRCNNPredictor(256, 3),
            box_batch_size_per_image=96,
            box_score_thresh=_LEAST_SCORE,
            box_nms_thresh=0.6,
            box_detections_per_img=60,
            mask_roi_pool=MultiScaleRoIAlign(levels[:1], _MASK_SIDE, 1),
            mask_head=_MaskHead(_CHANNELS, (_CHANNELS,) * 4, 1, norm_layer=_groups),
            mask_predictor=MaskRCNNPredictor(_CHANNELS, _CHANNELS, 3),
        )
        self.dense = nn.Conv2d(_CHANNELS, 2, 1)

    def batched(self, pictures: Sequence[Tensor]) -> ImageList:
        """Pictures `(3, h, w)` RGB 0–255, of any sizes, as a batch; nothing is resized."""
        height, width = (-(-max(one.shape[side] for one in pictures) // _ALIGN) * _ALIGN for side in (1, 2))
        batch = pictures[0].new_zeros((len(pictures), 3, height, width))
        for place, one in zip(batch, pictures, strict=True):
            place[:, : one.shape[1], : one.shape[2]] = (one - 200) / 50
        return ImageList(batch, [(one.shape[1], one.shape[2]) for one in pictures])

    def propose(
        self, images: ImageList, features: dict[str, Tensor], targets: Any = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Boxes that may hold an instance, and the losses of proposing them."""
        coarser = {name: value for name, value in features.items() if name != "0"}
        return cast(tuple[list[Tensor], dict[str, Tensor]], self.rpn(images, coarser, targets))


def _groups(channels: int) -> nn.Module:
    return nn.GroupNorm(16, channels)


class MaskRCNNMethod:
    """A trained Mask R-CNN on a device.

    Args:
        network: with its weights.
        device: to run on.
        sha256: of the weights.
    """

    name = ARCHITECTURE

    def __init__(self, network: SpermRCNN, device: torch.device, sha256: str) -> None:
        self._network = network.to(device, memory_format=torch.channels_last).eval()
        self._device = device
        self.identity = identity(self.name, weights=sha256)

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        scale = working_scale(image.shape)
        shape = image.shape[0], image.shape[1]
        return find_sperm(self._network, shrunk(normalise(image)), self._device, scale, shape)


def load_maskrcnn(device: str = "auto", weights: Path | None = None) -> MaskRCNNMethod:
    """The method with weights of `cs3 train maskrcnn`; None: those that ship with the package.

    Raises:
        DeviceError: the device is not there.
        ModelError: the weights are missing, damaged or of another architecture.
    """
    path = weights or SHIPPED
    where = torch.device(resolve_device(device))
    network = SpermRCNN()
    read_weights(network, path, ARCHITECTURE)
    return MaskRCNNMethod(network, where, sha256_of(path))


def find_sperm(
    network: SpermRCNN, pixels: UInt8Array, device: torch.device, scale: float, shape: tuple[int, int]
) -> list[FoundSperm]:
    """Sperm in a normalised image at working size.

    Args:
        network: in evaluation mode.
        pixels: `(h, w, 3)` RGB.
        device: of the network.
        scale: working pixels per pixel of the image that the masks are made for.
        shape: `(height, width)` of that image.
    """
    image = torch.from_numpy(pixels).to(device).permute(2, 0, 1).float()
    with torch.inference_mode():
        images = network.batched([image])
        features = network.backbone(images.tensors)
        proposals, _ = network.propose(images, features)
        (found,), _ = network.roi_heads(features, proposals, images.image_sizes)
        boxes = found["boxes"].cpu() / scale
        masks = paste_masks_in_image(found["masks"].cpu(), boxes, shape)[:, 0].numpy()
        seen = network.dense(features["0"])[0].amax(0).sigmoid().cpu().numpy()
    seen = seen.repeat(_STRIDE, 0).repeat(_STRIDE, 1)[: pixels.shape[0], : pixels.shape[1]]
    stained = enlarged(seen[None], shape)[0] > _MAP_LEVEL
    labels, scores = found["labels"].tolist(), found["scores"].tolist()
    kinds: dict[int, list[tuple[Region, float]]] = {SPERM: [], HEAD: []}
    for mask, label, score in zip(masks, labels, scores, strict=True):
        if label == SPERM and score < _SURE:
            continue
        inside = mask > _HEAD_LEVEL if label == HEAD else (mask > _SPERM_LEVEL) & stained
        region = Region.from_full(inside)
        if region.area:
            kinds[label].append((region, score))
    return joined(kinds[SPERM], kinds[HEAD])


def joined(sperm: list[tuple[Region, float]], heads: list[tuple[Region, float]]) -> list[FoundSperm]:
    """Give each sperm the head that it contains, one to one, the surest sperm and best contained head first.

    A head without a sperm is a sperm of which only the head was found; a sperm without a head is a flagellum.
    """
    inside = np.array(
        [[head.intersection_area(whole) / head.area for head, _ in heads] for whole, _ in sperm]
    ).reshape(len(sperm), len(heads))
    worth = np.where(inside >= _HEAD_INSIDE, inside, 0) * np.array([score for _, score in sperm]).reshape(
        -1, 1
    )
    rows, columns = linear_sum_assignment(-worth)
    mates = {int(s): int(h) for s, h in zip(rows, columns, strict=True) if worth[s, h] > 0}
    out = []
    for number, (whole, score) in enumerate(sperm):
        parts = {"tail": whole}
        if number in mates:
            head = heads[mates[number]][0]
            parts = {"head": head, "tail": without(whole, head)}
        out.append(FoundSperm({name: part for name, part in parts.items() if part.area}, score))
    taken = set(mates.values())
    out += [
        FoundSperm({"head": head}, 0.5 * score)
        for number, (head, score) in enumerate(heads)
        if number not in taken
    ]
    return sorted(out, key=lambda one: -one.score)
