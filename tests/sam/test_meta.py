"""Meta's models: against `segment_anything`'s own predictor, on a small network of the same make."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.image_encoder import Attention
from torch import Tensor, nn

from cascade.sam import checkpoints, meta
from cascade.sam.attention import FusedAttention
from cascade.sam.checkpoints import Checkpoint, sha256_of
from cascade.sam.meta import MetaSam, build_random, resized_shape
from cascade.sam.protocol import Masks, PromptableModel, Prompts
from cascade.sam.registry import load_model


def small_sam(seed: int = 0) -> Any:
    """SAM with an encoder of two narrow blocks, one windowed, one global; every weight random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sam = Sam(
            ImageEncoderViT(
                embed_dim=32,
                depth=2,
                num_heads=1,
                out_chans=256,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                use_rel_pos=True,
                window_size=14,
                global_attn_indexes=(1,),
            ),
            PromptEncoder(256, (64, 64), (1024, 1024), 16),
            MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(2, 256, 8, 2048)),
        )
        for weight in sam.image_encoder.parameters():
            nn.init.normal_(weight, std=0.3)
    return sam.eval()


class PointingSam(nn.Module):
    """Answers every prompt with a cone whose top lies at the prompt: shows where points end up."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = _NoEncoder()
        self.register_buffer("pixel_mean", torch.zeros(3, 1, 1))
        self.register_buffer("pixel_std", torch.ones(3, 1, 1))
        self.prompt_encoder = _Points()
        self.mask_decoder = _Cones()


class _NoEncoder(nn.Module):
    blocks = ()

    def forward(self, image: Tensor) -> Tensor:
        return image[..., :1, :1]


class _Points(nn.Module):
    def forward(self, points: tuple[Tensor, Tensor], boxes: None, masks: None) -> tuple[Tensor, None]:
        return points[0] + 0.5, None  # SAM, too, takes integers for pixel centres of its 1024×1024 input

    def get_dense_pe(self) -> None:
        return None


class _Cones(nn.Module):
    def forward(self, sparse_prompt_embeddings: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
        x, y = sparse_prompt_embeddings[:, 0].T[..., None, None]
        centres = (torch.arange(256) + 0.5) * 4
        cone = 20 - torch.hypot(centres[None, None, :] - x, centres[None, :, None] - y)
        return cone[:, None].expand(-1, 3, -1, -1), torch.tensor([[-0.5, 0.5, 1.5]]).expand(len(cone), -1)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((height // 9 + 1, width // 9 + 1, 1), np.uint8))[:height, :width]


def single(points: list[tuple[float, float]]) -> Prompts:
    array = np.array(points, np.float32).reshape(-1, 1, 2)
    return Prompts(array, np.ones(array.shape[:2], np.int8))


@pytest.fixture(scope="module")
def model() -> MetaSam:
    return MetaSam(small_sam(), "small", "0" * 64)


def answer(model: MetaSam, image: np.ndarray[Any, np.dtype[np.uint8]], prompts: Prompts) -> Masks:
    return model.encode(image, head_length=36.0).decode(prompts, "tail")


@pytest.mark.parametrize(
    ("shape", "mask_shape"),
    [((540, 720), (192, 256)), ((720, 540), (256, 192)), ((333, 1000), (86, 256)), ((10, 1000), (3, 256))],
)
def test_masks_cover_the_image_without_the_padding(
    model: MetaSam, shape: tuple[int, int], mask_shape: tuple[int, int]
) -> None:
    masks = answer(model, picture(*shape), single([(0, 0), (5, 5)]))
    assert masks.logits.shape == (2, 3, *mask_shape)
    assert masks.scores.shape == (2, 3)
    assert masks.logits.dtype == masks.scores.dtype == np.float32
    assert masks.scale == 256 / max(shape)


def test_no_prompts_give_no_masks(model: MetaSam) -> None:
    masks = answer(model, picture(540, 720), single([]))
    assert masks.logits.shape == (0, 3, 192, 256)
    assert masks.scores.shape == (0, 3)


@settings(deadline=None, max_examples=60)
@given(height=st.integers(20, 1500), width=st.integers(20, 1500), u=st.floats(0, 1), v=st.floats(0, 1))
def test_a_mask_lies_where_its_prompt_points(height: int, width: int, u: float, v: float) -> None:
    """Every corner, edge and inner pixel: the masks' scale leads back to the prompt, within a mask pixel."""
    pointing = MetaSam(PointingSam(), "pointing", "0" * 64)
    x, y = round(u * (width - 1)), round(v * (height - 1))
    masks = answer(pointing, np.zeros((height, width, 3), np.uint8), single([(x, y)]))
    row, column = np.unravel_index(masks.logits[0, 0].argmax(), masks.logits.shape[2:])
    found = (np.array([column, row]) + 0.5) / masks.scale - 0.5
    half_a_mask_pixel = 0.5 / masks.scale
    # SAM's own point convention adds half the difference of the pixel sizes; see `model_points`.
    shift = abs(1 - max(height, width) / 1024) / 2
    assert np.abs(found - [x, y]).max() <= half_a_mask_pixel + shift + 0.51 * max(height, width) / 1024


def test_corner_prompts_mark_the_corners_by_hand() -> None:
    """540×720 → 192×256 masks: the pixel (719, 539) falls into the last mask pixel, (0, 0) into the first."""
    pointing = MetaSam(PointingSam(), "pointing", "0" * 64)
    corners = [(0, 0), (719, 0), (0, 539), (719, 539)]
    masks = answer(pointing, np.zeros((540, 720, 3), np.uint8), single(corners))
    tops = [divmod(int(mask.argmax()), 256) for mask in masks.logits[:, 0]]
    assert tops == [(0, 0), (0, 255), (191, 0), (191, 255)]


def test_scores_are_kept_within_0_and_1() -> None:
    masks = answer(MetaSam(PointingSam(), "pointing", ""), picture(64, 64), single([(3, 3)]))
    assert masks.scores.tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("shape", [(540, 720), (1280, 1024), (301, 333)])
def test_answers_equal_those_of_sams_own_predictor(shape: tuple[int, int]) -> None:
    sam, image = small_sam(), picture(*shape)
    predictor = SamPredictor(deepcopy(sam))
    predictor.set_image(image)
    points = np.array([[[10, 20], [shape[1] - 1, shape[0] - 1]], [[shape[1] / 3, 40.5], [0, 0]]], np.float32)
    labels = np.array([[1, 0], [1, -1]], np.int8)
    masks = answer(MetaSam(sam, "small", ""), image, Prompts(points, labels))
    rows, columns = masks.logits.shape[2:]
    for i in range(2):
        _, scores, low = predictor.predict(points[i], labels[i], multimask_output=True)
        np.testing.assert_allclose(masks.logits[i], low[:, :rows, :columns], atol=2e-5)
        np.testing.assert_allclose(masks.scores[i], scores.clip(0, 1), atol=2e-5)
    assert np.ptp(masks.logits) > 0.1  # the comparison is of something


def test_batches_do_not_change_answers(model: MetaSam) -> None:
    encoding = model.encode(picture(540, 720), 36.0)
    points = [(70.0 * i, 50.0 * i) for i in range(meta.CPU_BATCH + 1)]
    together = encoding.decode(single(points), "head")
    for i, point in enumerate(points):
        np.testing.assert_allclose(
            together.logits[i], encoding.decode(single([point]), "head").logits[0], atol=1e-5
        )


def test_answers_repeat_exactly(model: MetaSam) -> None:
    image, prompts = picture(540, 720), single([(100, 100), (700, 500)])
    first, second = answer(model, image, prompts), answer(model, image, prompts)
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(first.scores, second.scores)


def test_threads_share_a_model_without_mixing_images(model: MetaSam) -> None:
    images, prompts = [picture(300, 400, seed) for seed in range(2)], single([(100, 100), (399, 299)])
    alone = [answer(model, image, prompts) for image in images]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda image: answer(model, image, prompts), images))
    for mine, theirs in zip(alone, together, strict=True):
        np.testing.assert_allclose(mine.logits, theirs.logits, atol=1e-6)
    assert np.abs(alone[0].logits - alone[1].logits).max() > 1e-3


def test_half_precision_stays_near_full_precision(model: MetaSam) -> None:
    image, prompts = picture(540, 720), single([(100, 100), (700, 500)])
    full = answer(model, image, prompts)
    half = answer(MetaSam(small_sam(), "small", "", precision="bfloat16"), image, prompts)
    assert half.logits.dtype == np.float32
    error = np.abs(half.logits - full.logits).max()
    assert 0 < error < 0.05 * np.ptp(full.logits)


def test_fused_attention_is_sams_attention() -> None:
    torch.manual_seed(3)
    attention = Attention(24, num_heads=3, use_rel_pos=True, input_size=(5, 7))
    nn.init.normal_(attention.rel_pos_h)
    nn.init.normal_(attention.rel_pos_w)
    tokens = torch.randn(2, 5, 7, 24)
    torch.testing.assert_close(FusedAttention(attention)(tokens), attention(tokens), atol=1e-5, rtol=1e-5)
    assert FusedAttention(attention).state_dict().keys() == attention.state_dict().keys()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(model: MetaSam, image: Any) -> None:
    with pytest.raises(ValueError, match=r"\(height, width, 3\) uint8"):
        model.encode(image, 36.0)


def test_resized_shapes_are_sams() -> None:
    assert resized_shape((540, 720)) == (768, 1024)
    assert resized_shape((1024, 1280)) == (819, 1024)
    assert resized_shape((1, 5000)) == (1, 1024)


@pytest.mark.slow
def test_vit_b_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The true architecture: saved, found in the cache by name, loaded, and run on a field of 720×540."""
    random_state = torch.random.get_rng_state()
    built = build_random("vit_b", seed=1)
    assert torch.equal(random_state, torch.random.get_rng_state())
    file = tmp_path / "sam_vit_b.pth"
    torch.save({key: weight.half() for key, weight in built._sam.state_dict().items()}, file)
    del built
    entry = Checkpoint("vit_b", file.name, file.stat().st_size, sha256_of(file), "http://127.0.0.1:9/none")
    monkeypatch.setattr(checkpoints, "CHECKPOINTS", {"vit_b": entry})
    monkeypatch.setenv("CS3_MODELS", str(tmp_path))

    model: PromptableModel = load_model("vit_b", "cpu")
    assert (model.name, model.sha256) == ("vit_b", entry.sha256)
    encoding = model.encode(picture(540, 720), 36.0)
    assert encoding.dense is None
    masks = encoding.decode(single([(0, 0), (719, 539), (300, 200), (1, 400), (600, 9)]), "tail")
    assert masks.logits.shape == (5, 3, 192, 256)
    assert np.isfinite(masks.logits).all()
    assert np.abs(masks.logits[0] - masks.logits[1]).max() > 1e-3


@pytest.mark.slow
def test_random_weights_follow_the_seed() -> None:
    first, again, other = (
        build_random("vit_b", seed)._sam.image_encoder.blocks[7].attn.rel_pos_h[:3].clone()
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
