"""`unet`: a U-Net marks the parts of sperm as maps; connected pieces of them are made into sperm."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import torch
from torch import Tensor, nn

from cascade.comparators.identity import identity
from cascade.comparators.pieces import MAPS, sperm_of_maps
from cascade.comparators.protocol import FoundSperm
from cascade.comparators.scale import enlarged, shrunk
from cascade.errors import ModelError
from cascade.preprocess import normalise
from cascade.sam.checkpoints import sha256_of
from cascade.sam.registry import resolve_device
from cascade.sam.weightfile import read_weights
from cascade.types import FloatArray, UInt8Array

ARCHITECTURE = "unet"
SHIPPED = Path(__file__).parent / "weights" / "unet.safetensors"
_ALIGN = 32
"""The encoder halves an image five times."""
_DECODER = (128, 64, 48, 32, 16)


class UNet(nn.Module):
    """A U-Net with a ResNet-18 encoder, from scratch.

    Args:
        images: `(batch, 3, h, w)` RGB 0–255, sides divisible by 32.

    Returns:
        `(batch, maps, h, w)` logits of `MAPS`.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from segmentation_models_pytorch import Unet  # noqa: PLC0415  an extra
        except ImportError as error:
            raise ModelError(
                "unet needs segmentation-models-pytorch, which is not installed; "
                "install the extra: pip install 'cs3[comparators]'"
            ) from error
        self.body = Unet("resnet18", encoder_weights=None, decoder_channels=_DECODER, classes=len(MAPS))

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return cast(Tensor, self.body((images - 200) / 50))


class UNetMethod:
    """A trained U-Net on a device.

    Args:
        network: with its weights.
        device: to run on.
        sha256: of the weights.
    """

    name = ARCHITECTURE

    def __init__(self, network: UNet, device: torch.device, sha256: str) -> None:
        self._network = network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._device = device
        self.identity = identity(self.name, weights=sha256)

    def predict(self, image: UInt8Array) -> list[FoundSperm]:
        """Every sperm found in `(height, width, 3)` RGB, the surest first."""
        maps = predict_maps(self._network, shrunk(normalise(image)), self._device)
        return sperm_of_maps(enlarged(maps, image.shape[:2]))


def load_unet(device: str = "auto", weights: Path | None = None) -> UNetMethod:
    """The method with weights of `cs3 train unet`; None: those that ship with the package.

    Raises:
        DeviceError: the device is not there.
        ModelError: the weights are missing, damaged or of another architecture, or the library is missing.
    """
    path = weights or SHIPPED
    where = torch.device(resolve_device(device))
    network = UNet()
    read_weights(network, path, ARCHITECTURE)
    return UNetMethod(network, where, sha256_of(path))


def predict_maps(network: nn.Module, pixels: UInt8Array, device: torch.device) -> FloatArray:
    """Probabilities `(maps, h, w)` for a normalised image at working size."""
    height, width = pixels.shape[:2]
    padded = cv2.copyMakeBorder(pixels, 0, -height % _ALIGN, 0, -width % _ALIGN, cv2.BORDER_REPLICATE)
    batch = torch.from_numpy(padded).to(device).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        logits = network(batch.contiguous(memory_format=torch.channels_last))
        probabilities: FloatArray = logits[0, :, :height, :width].float().sigmoid().cpu().numpy()
    return probabilities
