"""The network of `tiny`: Segment Anything's prompt encoder and mask decoder behind a small image encoder.

Three things differ from Meta's, because tails are thin: the embedding has an eighth of the working resolution
instead of a sixteenth and the mask decoder takes the encoder's finer features too (masks have half the
working resolution); prompt points are also drawn into the dense prompt, followed by a little convolution, so
that a prompt can run along its tail; and the encoder offers dense maps of heads, tails and their direction.

Outputs have fixed meanings: mask token 0 is the whole sperm that the prompt lies on, 1 its head, 2 its
flagellum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.mask_decoder import MLP
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the field's name for it

from cascade.sam.protocol import Part

STRIDE = 8
"""Working pixels per embedding cell."""
MASK_STRIDE = 2
"""Working pixels per mask pixel."""
ALIGN = 32
"""Heights and widths that the encoder takes are multiples of this."""
REFERENCE_SIZE = 640
"""Working pixels that span the unit of the positional encoding (any image size shares one encoding)."""
PART_TOKEN: dict[Part, int] = {"head": 1, "tail": 2}
EVERY_TOKEN = slice(None)
_DIM = 128
WIDTHS = (32, 48, 96, 160, 224)
"""Channels of the encoder at strides 2 to 32."""
DILATIONS = (1, 2, 4)
"""Of the encoder's residual blocks at stride 32, the first two also of those at stride 16."""
_FINE4, _FINE2 = 32, 16


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(True),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels, dilation=dilation),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.body(x))


class _Up(nn.Module):
    """Join a coarse map with the finer one beside it."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, outputs, 1, bias=False)
        self.skip = nn.Conv2d(fine, outputs, 1)
        self.body = nn.Sequential(_conv(outputs, outputs), _Residual(outputs))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = F.interpolate(self.reduce(coarse), scale_factor=2.0, mode="nearest")
        out: Tensor = self.body(F.silu(up + self.skip(fine)))
        return out


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoder says of a batch of images; `H, W` are working pixels.

    Attributes:
        embedding: `(B, 128, H/8, W/8)`.
        fine4: `(B, 32, H/4, W/4)` and fine2: `(B, 16, H/2, W/2)`, for the mask decoder.
        dense: `(B, 4, H, W)`: logits of head and flagellum, then x and y of the direction towards the head.
        owner: `(B, 2, H/8, W/8)`: vector from a flagellum's pixel to the centre of its head, in head lengths.
    """

    embedding: Tensor
    fine4: Tensor
    fine2: Tensor
    dense: Tensor
    owner: Tensor

    def pick(self, index: int) -> Features:
        """The features of one image of the batch."""
        one = slice(index, index + 1)
        return Features(
            self.embedding[one], self.fine4[one], self.fine2[one], self.dense[one], self.owner[one]
        )

    def crops(self, origins: NDArray[np.intp], size: tuple[int, int]) -> Features:
        """What the mask decoder takes of windows of one image, as a batch.

        Args:
            origins: `(n, 2)` x, y of each window's first cell of the embedding.
            size: width and height of the windows, in cells.
        """
        width, height = size

        def cut(whole: Tensor, factor: int) -> Tensor:
            return torch.cat(
                [
                    whole[..., y * factor : (y + height) * factor, x * factor : (x + width) * factor]
                    for x, y in origins.tolist()
                ]
            )

        return Features(
            cut(self.embedding, 1), cut(self.fine4, 2), cut(self.fine2, 4), self.dense, self.owner
        )


class TinyEncoder(nn.Module):
    """Image encoder: a U-shaped network that keeps its fine features.

    Args:
        widths: channels at strides 2, 4, 8, 16 and 32.
        dilations: of the residual blocks at stride 32; those at stride 16 have the first two.
    """

    def __init__(
        self, widths: tuple[int, int, int, int, int] = WIDTHS, dilations: tuple[int, int, int] = DILATIONS
    ) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = widths
        self.down2 = nn.Sequential(_conv(3, c2, 2), _Residual(c2))
        self.down4 = nn.Sequential(_conv(c2, c4, 2), _Residual(c4))
        self.down8 = nn.Sequential(_conv(c4, c8, 2), _Residual(c8), _Residual(c8))
        self.down16 = nn.Sequential(_conv(c8, c16, 2), *(_Residual(c16, d) for d in dilations[:2]))
        self.down32 = nn.Sequential(_conv(c16, c32, 2), *(_Residual(c32, d) for d in dilations))
        self.up16 = _Up(c32, c16, c16)
        self.up8 = _Up(c16, c8, _DIM)
        self.up4 = _Up(_DIM, c4, c4)
        self.up2 = _Up(c4, c2, c2)
        self.neck = nn.Conv2d(_DIM, _DIM, 1)
        self.owner = nn.Conv2d(_DIM, 2, 1)
        self.fine4 = nn.Conv2d(c4, _FINE4, 1)
        self.fine2 = nn.Conv2d(c2, _FINE2, 1)
        self.dense = nn.Sequential(_conv(c2, c2), nn.Conv2d(c2, 4 * 4, 1), nn.PixelShuffle(2))

    def forward(self, image: Tensor) -> Features:
        """Encode `(B, 3, H, W)`, normalised; `H` and `W` are multiples of 32."""
        x2 = self.down2(image)
        x4 = self.down4(x2)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        y8 = self.up8(self.up16(self.down32(x16), x16), x8)
        y4 = self.up4(y8, x4)
        y2 = self.up2(y4, x2)
        return Features(self.neck(y8), self.fine4(y4), self.fine2(y2), self.dense(y2), self.owner(y8))


class _Mix(nn.Module):
    """A dilated convolution, residual: lets a drawn prompt run along what it lies on."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.body = _conv(channels, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.body(x)
        return out


class TinyMaskDecoder(MaskDecoder):  # type: ignore[misc]  # the package is untyped
    """SAM's mask decoder, fed with the prompt drawn into the image and with the encoder's finer features."""

    def __init__(self) -> None:
        super().__init__(
            transformer_dim=_DIM,
            transformer=TwoWayTransformer(depth=2, embedding_dim=_DIM, num_heads=4, mlp_dim=4 * _DIM),
            num_multimask_outputs=len(PART_TOKEN),
            iou_head_depth=3,
            iou_head_hidden_dim=_DIM,
        )
        self.mix = nn.Sequential(*(_Mix(_DIM, dilation) for dilation in (1, 2, 4)))
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(_DIM, _FINE4, 2, 2), LayerNorm2d(_FINE4), nn.GELU()
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(_DIM, _DIM, _FINE4 + _FINE2, 3) for _ in range(self.num_mask_tokens)
        )

    def forward(
        self, features: Features, position: Tensor, sparse: Tensor, dense: Tensor, wanted: slice
    ) -> tuple[Tensor, Tensor]:
        """Masks of prompts.

        Args:
            features: of one image, or of a window for each prompt.
            position: `(1, 128, h, w)` positional encoding.
            sparse: `(B, n, 128)` prompt tokens.
            dense: `(B, 128, h, w)` drawn prompts.
            wanted: which of the three mask tokens to answer for.

        Returns:
            Logits `(B, k, 4h, 4w)` and predicted IoU `(B, k)` of the `k` tokens wanted.
        """
        batch = len(sparse)
        tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(batch, -1, -1)
        source = self.mix(features.embedding + dense)
        shape = source.shape
        states, source = self.transformer(
            source, position.expand(batch, -1, -1, -1), torch.cat([tokens, sparse], 1)
        )
        source = source.transpose(1, 2).reshape(shape)
        up4, norm, activate = self.output_upscaling
        fine = activate(norm(up4(source) + features.fine4))
        hyper = torch.stack(
            [mlp(states[:, 1 + i]) for i, mlp in list(enumerate(self.output_hypernetworks_mlps))[wanted]], 1
        )
        # The finest features are the same for every prompt: a product with them costs a fraction of upscaling
        # each prompt's own.
        coarse = torch.einsum("bkc,bchw->bkhw", hyper[..., :_FINE4], fine)
        logits = F.interpolate(coarse, scale_factor=2.0, mode="bilinear")
        logits = logits + torch.einsum(
            "bkc,bchw->bkhw", hyper[..., _FINE4:], features.fine2.expand(batch, -1, -1, -1)
        )
        return logits, self.iou_prediction_head(states[:, 0])[:, wanted]


class TinySam(Sam):  # type: ignore[misc]  # the package is untyped
    """`segment_anything`'s container, with the small encoder and the adapted decoder."""

    stride = STRIDE
    """Of this network's embedding; trials have others."""

    def __init__(self) -> None:
        cells = REFERENCE_SIZE // STRIDE
        super().__init__(
            image_encoder=TinyEncoder(),
            prompt_encoder=PromptEncoder(
                embed_dim=_DIM,
                image_embedding_size=(cells, cells),
                input_image_size=(REFERENCE_SIZE, REFERENCE_SIZE),
                mask_in_chans=16,
            ),
            mask_decoder=TinyMaskDecoder(),
            pixel_mean=[220.0, 215.0, 225.0],
            pixel_std=[50.0, 55.0, 40.0],
        )

    def encode(self, images: Tensor) -> Features:
        """Features of `(B, 3, H, W)` RGB in 0–255."""
        features: Features = self.image_encoder((images - self.pixel_mean) / self.pixel_std)
        return features

    def decode(
        self, features: Features, points: Tensor, labels: Tensor, wanted: slice = EVERY_TOKEN
    ) -> tuple[Tensor, Tensor]:
        """Masks for prompts.

        Args:
            features: of one image, or of a window for each prompt.
            points: `(B, n, 2)` in working pixels of the image or the window.
            labels: `(B, n)`: 1 on the object, 0 off it, -1 padding.
            wanted: which of the three mask tokens to answer for.

        Returns:
            Logits `(B, k, H/2, W/2)` and predicted IoU `(B, k)` of the `k` tokens wanted.
        """
        height, width = features.embedding.shape[-2:]
        sparse = self._embed(points, labels)
        finer = self.stride // MASK_STRIDE
        drawn = self._draw(points, labels, (height * finer, width * finer))
        dense = self.prompt_encoder.mask_downscaling(drawn)
        logits, scores = self.mask_decoder(features, self._position(height, width), sparse, dense, wanted)
        return logits, scores

    def _embed(self, points: Tensor, labels: Tensor) -> Tensor:
        """Prompt tokens, as the prompt encoder embeds points, but without its scattered writes.

        Those train slowly.
        """
        encoder = self.prompt_encoder
        where = encoder.pe_layer.forward_with_coords(points + 0.5, encoder.input_image_size)
        padding = (labels == -1)[..., None]
        off, on = encoder.point_embeddings[0].weight, encoder.point_embeddings[1].weight
        kind = torch.where((labels == 1)[..., None], on, off)
        return torch.where(padding, 0.0, where) + torch.where(padding, encoder.not_a_point_embed.weight, kind)

    def _position(self, height: int, width: int) -> Tensor:
        device = self.pixel_mean.device
        y, x = torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
        )
        grid = (torch.stack([x, y], -1) + 0.5) * (self.stride / REFERENCE_SIZE)
        encoded: Tensor = self.prompt_encoder.pe_layer._pe_encoding(grid.float())
        return encoded.permute(2, 0, 1)[None]

    @staticmethod
    def _draw(points: Tensor, labels: Tensor, shape: tuple[int, int]) -> Tensor:
        """Prompt points as soft dots, +1 on and -1 off the object, `(B, 1, H/2, W/2)`."""
        batch, count = labels.shape
        cells = ((points + 0.5) / MASK_STRIDE - 0.5).round().long()
        x, y = cells[..., 0].clamp(0, shape[1] - 1), cells[..., 1].clamp(0, shape[0] - 1)
        value = torch.where(labels == 1, 1.0, torch.where(labels == 0, -1.0, 0.0)).to(points.dtype)
        drawn = points.new_zeros(batch, 1, *shape)
        index = torch.arange(batch, device=points.device)[:, None].expand(-1, count)
        drawn.index_put_((index, torch.zeros_like(index), y, x), value, accumulate=True)
        return F.max_pool2d(drawn.clamp(0, 1), 3, 1, 1) - F.max_pool2d((-drawn).clamp(0, 1), 3, 1, 1)
