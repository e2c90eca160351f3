"""Attention of SAM's image encoder without the square attention matrix in memory.

The encoder's global blocks attend over 64×64 = 4,096 tokens; written out, the attention of vit_b's 12 heads
is 12 × 4,096² floats, 0.8 GB, and SAM's own forward holds three of them. SAM adds to it a relative position
bias that splits into a part by row and a part by column (Li et al., "MViTv2", CVPR 2022, eq. 4). Such a
bias is a scalar product too: with one-hot vectors of the key's row and column,

    scale q·k + rows(q)[row of k] + columns(q)[column of k]
        = [scale q, rows(q), columns(q)] · [k, 1_row, 1_column]

so the fused kernels, which never write the matrix out, compute the very same attention.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  the name that the field reads
from torch import Tensor, nn


class FusedAttention(nn.Module):
    """Drop-in for `segment_anything`'s encoder attention; owns the same parameters under the same names.

    Args:
        attention: a `segment_anything.modeling.image_encoder.Attention` with relative positions.
    """

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.num_heads: int = attention.num_heads
        self.scale: float = attention.scale
        self.qkv: nn.Module = attention.qkv
        self.proj: nn.Module = attention.proj
        self.rel_pos_h: nn.Parameter = attention.rel_pos_h
        self.rel_pos_w: nn.Parameter = attention.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, height, width, channels)` tokens → the same shape."""
        b, h, w, c = x.shape
        heads = self.num_heads
        q, k, v = self.qkv(x).reshape(b, h * w, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
        grid = q.reshape(b, heads, h, w, c // heads)
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, _relative(self.rel_pos_h, h)).flatten(2, 3)
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, _relative(self.rel_pos_w, w)).flatten(2, 3)
        places = _one_hot_places(h, w, k).expand(b, heads, -1, -1)
        mixed = F.scaled_dot_product_attention(
            torch.cat([q * self.scale, rows.to(q), columns.to(q)], dim=-1),
            torch.cat([k, places], dim=-1),
            F.pad(v, (0, h + w)),  # the fused kernels want one width for all three
            scale=1.0,
        )[..., : c // heads]
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(b, h, w, c))
        return out


def fuse_attention(encoder: Any) -> None:
    """Replace the attention of every block of a `segment_anything` image encoder, in place."""
    for block in encoder.blocks:
        block.attn = FusedAttention(block.attn)


def _relative(table: Tensor, size: int) -> Tensor:
    """`(2 size - 1, c)` by offset → `(size, size, c)`, whose entry `[i, j]` is that of offset `i - j`."""
    place = torch.arange(size, device=table.device)
    return table[place[:, None] - place[None, :] + size - 1]


def _one_hot_places(height: int, width: int, like: Tensor) -> Tensor:
    """`(height · width, height + width)`: each token's row and column, one-hot."""
    rows = torch.eye(height, dtype=like.dtype, device=like.device)[:, None].expand(height, width, height)
    columns = torch.eye(width, dtype=like.dtype, device=like.device)[None].expand(height, width, width)
    return torch.cat([rows, columns], dim=-1).flatten(0, 1)
