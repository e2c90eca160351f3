"""The shipped model's adapter, with random weights: shapes, places, batches, files."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from cascade.errors import ModelError
from cascade.prompts import as_prompts
from cascade.sam.protocol import Masks, Part, Prompts
from cascade.sam.tiny import Tiny, load_tiny, read_training, save_tiny
from cascade.sam.tiny_network import Features, TinySam

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> TinySam:
    torch.manual_seed(0)
    return TinySam().eval()


@pytest.fixture(scope="module")
def model(network: TinySam) -> Tiny:
    return Tiny(network, CPU, "0" * 64)


@pytest.fixture
def weights(network: TinySam, tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_tiny(network, path, {"steps": 3})
    return path


def picture(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(150, 250, (height, width, 3), dtype=np.uint8)


def at(*points: tuple[float, float]) -> Prompts:
    """One prompt of one point each."""
    return as_prompts([np.array([point]) for point in points])


def scattered(count: int, points: int, within: float) -> Prompts:
    rng = np.random.default_rng(1)
    where = rng.uniform(0, within, (count, points, 2)).astype(np.float32)
    return Prompts(where, np.ones((count, points), np.int8))


def same(a: Masks, b: Masks) -> None:
    """Equal but for the order of sums."""
    np.testing.assert_allclose(a.logits, b.logits, rtol=0, atol=0.02 * float(np.abs(b.logits).max()))
    np.testing.assert_allclose(a.scores, b.scores, rtol=0, atol=0.02)


# --- shapes


@pytest.mark.parametrize(
    ("height", "width", "head_length"),
    [(1, 1, 90), (1, 1, 30), (17, 33, 45), (540, 720, 36), (2000, 300, 90), (3, 900, 45)],
)
def test_maps_have_the_images_size_and_masks_half_the_working_size(
    model: Tiny, height: int, width: int, head_length: float
) -> None:
    encoding = model.encode(picture(height, width), head_length)
    dense = encoding.dense
    assert dense.head.shape == dense.tail.shape == (height, width)
    assert dense.direction.shape == (height, width, 2)
    assert 0 <= dense.head.min() <= dense.head.max() <= 1
    lengths = np.linalg.norm(dense.direction, axis=-1)
    assert np.allclose(lengths[lengths > 0.5], 1, atol=1e-3)

    masks = encoding.decode(at((0, 0), (width - 1, height - 1)), "tail")
    scale = 45 / head_length
    assert masks.scale == pytest.approx(scale / 2)
    rows, columns = (-(-max(1, round(side * scale)) // 2) for side in (height, width))
    assert masks.logits.shape == (2, 1, rows, columns)
    assert masks.scores.shape == (2, 1)
    assert 0 <= masks.scores.min() <= masks.scores.max() <= 1


def test_no_prompts_give_no_masks(model: Tiny) -> None:
    masks = model.encode(picture(60, 80), 45).decode(as_prompts([]), "head")
    assert masks.logits.shape == (0, 1, 30, 40)
    assert masks.scores.shape == (0, 1)


def test_the_two_parts_are_answered_differently(model: Tiny) -> None:
    encoding = model.encode(picture(64, 64), 45)
    head, tail = (encoding.decode(at((30, 30)), part).logits for part in ("head", "tail"))
    assert not np.allclose(head, tail, atol=0.01)


# --- places, seen through a network that answers with the prompt as it is drawn


class Mirror(torch.nn.Module):
    """Stands in for the network: features are empty, masks are what is drawn of the prompt.

    A model copies its network, so what was seen last is kept with the class.
    """

    seen = (0, 0)

    def encode(self, images: torch.Tensor) -> Features:
        _, _, height, width = images.shape
        Mirror.seen = (height, width)
        return Features(
            torch.zeros(1, 1, height // 8, width // 8),
            torch.zeros(1, 1, height // 4, width // 4),
            torch.zeros(1, 1, height // 2, width // 2),
            torch.zeros(1, 4, height, width),
            torch.zeros(1, 2, height // 8, width // 8),
        )

    def decode(self, features: Features, points: torch.Tensor, labels: torch.Tensor, wanted: slice) -> Any:
        assert features.embedding.shape[0] == len(points)
        height, width = features.fine2.shape[-2:]
        return TinySam._draw(points, labels, (height, width)), torch.ones(len(points), 1)


@given(
    height=st.integers(1, 700),
    width=st.integers(1, 900),
    head_length=st.floats(20, 140),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
@settings(max_examples=60)
def test_a_prompt_shows_where_it_was_put(
    height: int, width: int, head_length: float, where: tuple[float, float]
) -> None:
    x, y = where[0] * (width - 1), where[1] * (height - 1)
    encoding = Tiny(Mirror(), CPU, "").encode(picture(height, width), head_length)  # type: ignore[arg-type]
    masks = encoding.decode(at((x, y)), "tail")
    shown = np.argwhere(masks.logits[0, 0] == masks.logits.max()).mean(0)[::-1]
    # A dot is three mask pixels wide, and cut off at the border.
    assert np.abs((np.array([x, y]) + 0.5) * masks.scale - 0.5 - shown).max() <= 1.01


def test_a_long_prompt_is_decoded_in_a_window_that_holds_it() -> None:
    encoding = Tiny(Mirror(), CPU, "").encode(picture(1000, 1200), 45)  # type: ignore[arg-type]
    ends = np.array([[20.0, 30.0], [1150.0, 960.0]])
    logits = encoding.decode(as_prompts([ends]), "head").logits[0, 0]
    assert all(logits[int(y / 2), int(x / 2)] == 1 for x, y in ends)
    assert logits.min() == 0  # nothing is outside the window


def test_beyond_the_window_there_is_no_mask() -> None:
    encoding = Tiny(Mirror(), CPU, "").encode(picture(1000, 1200), 45)  # type: ignore[arg-type]
    logits = encoding.decode(at((100, 100)), "head").logits[0, 0]
    assert logits[50, 50] == 1
    assert logits[0, 0] == 0  # within 6 head lengths
    assert logits[400, 500] < -10


def test_images_are_neither_enlarged_without_end_nor_seen_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Tiny(Mirror(), CPU, "")  # type: ignore[arg-type]
    assert model.encode(picture(100, 100), 1.0).scale == 2
    assert Mirror.seen == (224, 224)
    monkeypatch.setattr("cascade.sam.tiny.MOST_PIXELS", 64 * 128)
    encoding = model.encode(picture(128, 256), 45)
    assert encoding.scale == 0.5
    assert Mirror.seen == (64, 128)
    assert encoding.dense.head.shape == (128, 256)


# --- an answer depends on its own prompt alone


def test_padding_does_not_change_the_answer(model: Tiny) -> None:
    encoding = model.encode(picture(96, 128), 45)
    bare = scattered(2, 3, 90)
    for columns in (5, 8, 12):
        points = np.zeros((2, columns, 2), np.float32)
        labels = np.full((2, columns), -1, np.int8)
        points[:, -3:], labels[:, -3:] = bare.points, bare.labels
        same(encoding.decode(Prompts(points, labels), "tail"), encoding.decode(bare, "tail"))


@pytest.mark.parametrize("part", ["head", "tail"])
def test_prompts_together_and_one_by_one_give_the_same(model: Tiny, part: Part) -> None:
    encoding = model.encode(picture(300, 400), 30)
    prompts = scattered(12, 4, 290)
    prompts.labels[::3, 2:] = -1
    prompts.labels[1, 0] = 0
    singles = [
        encoding.decode(Prompts(prompts.points[i : i + 1], prompts.labels[i : i + 1]), part)
        for i in range(12)
    ]
    together = encoding.decode(prompts, part)
    same(
        together,
        Masks(
            np.concatenate([m.logits for m in singles]),
            np.concatenate([m.scores for m in singles]),
            together.scale,
        ),
    )


def test_a_prompt_of_padding_alone_is_answered(model: Tiny) -> None:
    prompts = Prompts(np.zeros((1, 2, 2), np.float32), np.full((1, 2), -1, np.int8))
    assert np.isfinite(model.encode(picture(64, 64), 45).decode(prompts, "tail").logits).all()


def test_threads_share_a_model(model: Tiny) -> None:
    images = [picture(96, 128), np.ascontiguousarray(picture(96, 128)[::-1])]

    def run(index: int) -> Masks:
        return model.encode(images[index % 2], 45).decode(scattered(3, 2, 90), "tail")

    alone = [run(0), run(1)]
    assert not np.allclose(alone[0].logits, alone[1].logits, atol=1e-4)
    with ThreadPoolExecutor(2) as pool:
        for index, masks in enumerate(pool.map(run, range(8))):
            same(masks, alone[index % 2])


# --- files


def test_weights_survive_the_file_at_half_precision(network: TinySam, model: Tiny, weights: Path) -> None:
    loaded = load_tiny(weights)
    assert loaded.name == "weights.safetensors"
    assert len(loaded.sha256) == 64
    assert read_training(weights) == {"steps": 3}
    kept = load_file(weights)
    assert all(value.dtype == torch.float16 for value in kept.values())
    for key, value in network.state_dict().items():
        torch.testing.assert_close(kept[key].float(), value.float(), rtol=1e-3, atol=1e-6)
    image = picture(64, 96)
    np.testing.assert_allclose(
        loaded.encode(image, 45).dense.tail, model.encode(image, 45).dense.tail, rtol=0, atol=0.02
    )


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found no file; reinstall the package, or train"):
        load_tiny(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 500, -1000])
def test_truncated_weights(weights: Path, kept: int) -> None:
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"damaged one .* copy it again"):
        load_tiny(weights)


@pytest.mark.parametrize(
    ("metadata", "found"), [({"architecture": "vit_b"}, "found vit_b"), (None, "found none named")]
)
def test_weights_of_another_architecture(weights: Path, metadata: dict[str, str] | None, found: str) -> None:
    save_file(load_file(weights), weights, metadata)
    with pytest.raises(ModelError, match=f"expected the architecture 'tiny', {found}"):
        load_tiny(weights)


def test_a_note_that_is_no_json_is_damage(weights: Path) -> None:
    save_file(load_file(weights), weights, {"architecture": "tiny", "training": "{"})
    with pytest.raises(ModelError, match="damaged"):
        load_tiny(weights)


def test_weights_of_another_shape_or_number(weights: Path) -> None:
    state, metadata = load_file(weights), {"architecture": "tiny", "training": json.dumps({})}
    save_file(state | {"image_encoder.neck.bias": torch.zeros(3)}, weights, metadata)
    with pytest.raises(ModelError, match=r"neck\.bias"):
        load_tiny(weights)
    state.pop("image_encoder.neck.bias")
    save_file(state, weights, metadata)
    with pytest.raises(ModelError, match=r"neck\.bias"):
        load_tiny(weights)


@pytest.mark.parametrize("own", [None, "7"])
def test_compiled_convolutions_are_kept_for_a_few_shapes_unless_the_user_says_otherwise(monkeypatch, own):
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    if own is not None:
        monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", own)
    load_tiny()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == (own or "32")
