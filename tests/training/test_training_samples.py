"""Training samples of smears drawn by hand; whatever is mirrored or painted over, the targets stay true."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cascade.preprocess import WHITE
from cascade.training import samples
from cascade.training.samples import SmearStream, sample
from cascade.training.scene import SHAPE, Scene

Sample = dict[str, NDArray[Any]]
HEIGHT, WIDTH = SHAPE
SEEDS = range(24)
HEADS = {1: (100, 200), 2: (300, 80)}
TAILS = {1: [(200, 200), (400, 200)], 2: [(300, 140), (300, 350)]}
CROSSING = (300, 200)


def draw(smear: Scene, seed: int, prompts: int = 4) -> Sample:
    return sample(smear, np.random.default_rng(seed), prompts)


@pytest.fixture(scope="module")
def drawn(crossing: Scene) -> list[Sample]:
    return [draw(crossing, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def upright(crossing: Scene) -> list[Sample]:
    """As `drawn`, but never mirrored."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "_flip", lambda arrays, across, down: arrays)
        return [draw(crossing, seed) for seed in SEEDS]


def value(one: Sample, name: str, place: tuple[int, int]) -> float:
    return float(one[name][place[1], place[0]])


def brightness(one: Sample, place: tuple[int, int]) -> float:
    x, y = place
    return float(one["image"][y - 3 : y + 4, x - 3 : x + 4].mean())


def test_shapes_and_types(crossing: Scene) -> None:
    one = draw(crossing, 0, prompts=3)
    assert {key: (array.shape, array.dtype.name) for key, array in one.items()} == {
        "image": ((512, 640, 3), "uint8"),
        "head": ((512, 640), "uint8"),
        "tail": ((512, 640), "uint8"),
        "sure": ((512, 640), "uint8"),
        "direction": ((2, 512, 640), "float16"),
        "alone": ((512, 640), "uint8"),
        "owner": ((2, 64, 80), "float32"),
        "owned": ((64, 80), "uint8"),
        "points": ((3, 8, 2), "float32"),
        "labels": ((3, 8), "int8"),
        "masks": ((3, 3, 256, 320), "uint8"),
        "known": ((3, 3), "float32"),
    }
    assert draw(crossing, 0, prompts=0)["masks"].shape == (0, 3, 256, 320)


def test_a_seed_is_a_sample(crossing: Scene) -> None:
    first, again, other = draw(crossing, 1), draw(crossing, 1), draw(crossing, 2)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["image"], other["image"])


def test_both_kinds_of_picture_occur(drawn: list[Sample]) -> None:
    assert {bool(one["head"].any()) for one in drawn} == {True, False}
    assert len({int(one["tail"].sum()) for one in drawn}) == 4  # none, either, both


# --- what is painted over


def test_what_is_painted_white_is_no_target_and_what_is_target_is_dark(upright: list[Sample]) -> None:
    for one in upright:
        for name, places in (("head", HEADS.values()), ("tail", [*TAILS[1], *TAILS[2]])):
            for place in places:
                if value(one, name, place):
                    assert brightness(one, place) < WHITE - 60
                else:
                    assert brightness(one, place) == pytest.approx(WHITE, abs=4)


def test_painted_heads_take_their_masks_and_vectors_along(upright: list[Sample]) -> None:
    for one in upright:
        heads_shown = bool(one["head"].any())
        asked = one["labels"].max(1) == 1
        assert (one["known"][asked] == [heads_shown, heads_shown, 1]).all()
        assert not one["owned"].any() or heads_shown


# --- directions and owners


def test_only_one_flagellum_has_a_direction(upright: list[Sample]) -> None:
    for one in upright:
        shown = [all(value(one, "tail", place) for place in places) for places in TAILS.values()]
        assert value(one, "alone", CROSSING) == (sum(shown) == 1)
        for both, places in zip(shown, TAILS.values(), strict=True):
            assert all(value(one, "alone", place) == both for place in places)
        assert value(one, "alone", (500, 450)) == 0


def test_directions_and_owners_lead_to_the_head_however_mirrored(lying: Scene) -> None:
    mirrored = set()
    for one in (draw(lying, seed) for seed in SEEDS):
        if not one["tail"].any():
            continue
        ys, xs = np.nonzero(one["tail"])
        across, down = bool(np.median(xs) > WIDTH / 2), bool(np.median(ys) > HEIGHT / 2)
        mirrored.add((across, down))
        x, y = HEADS[1]
        head = np.array([WIDTH - 1 - x if across else x, HEIGHT - 1 - y if down else y])

        ys, xs = np.nonzero(one["alone"])
        assert np.allclose(one["direction"][0, ys, xs], np.sign(head[0] - xs))
        assert np.allclose(one["direction"][1, ys, xs], 0)
        rows, columns = np.nonzero(one["owned"])
        cells = (np.stack([columns, rows], -1) + 0.5) * 8 - 0.5
        found = cells + one["owner"][:, rows, columns].T * lying.head_length
        assert np.allclose(found, head, atol=1.01)
    assert len(mirrored) == 4


# --- prompts


def test_prompts_lie_on_their_masks_and_the_masks_on_the_picture(drawn: list[Sample]) -> None:
    asked = 0
    for one in drawn:
        shown = one["head"] | one["tail"]
        for points, labels, (whole, head, tail) in zip(
            one["points"], one["labels"], one["masks"], strict=True
        ):
            real = points[labels == 1]
            asked += len(real) > 0
            x, y = ((real + 0.5) / 2 - 0.5).round().astype(int).T
            assert (whole[y, x] > 0).all()
            assert (head[y, x] > 0).all() or (tail[y, x] > 0).all()
            assert np.array_equal(whole, np.maximum(head, tail))
            if one["head"].any() and len(real):
                assert shown[::2, ::2][whole == 255].all()
    assert asked > len(SEEDS)


def test_points_are_padded_at_the_end(drawn: list[Sample]) -> None:
    counts = set()
    for one in drawn:
        for labels in one["labels"]:
            counts.add(int((labels == 1).sum()))
            assert (np.sort(labels)[::-1] == labels).all()
    assert counts == set(range(min(counts), 9))


def test_nothing_to_ask_gives_padding_alone() -> None:
    empty = Scene(np.full((*SHAPE, 3), WHITE, np.uint8), (), 44.0)
    one = draw(empty, 0)
    assert (one["labels"] == -1).all()
    assert not one["known"].any()
    assert not one["tail"].any()


# --- the stream


def test_a_stream_is_its_seed_and_its_start(monkeypatch: pytest.MonkeyPatch, lying: Scene) -> None:
    monkeypatch.setattr(samples, "_scene", lambda rng, believed: lying)

    def first(seed: int, start: int) -> list[Sample]:
        return list(islice(SmearStream(seed, start, prompts=1), 8))

    one, same = first(3, 0), first(3, 0)
    assert all(np.array_equal(a[key], b[key]) for a, b in zip(one, same, strict=True) for key in a)
    for other in (first(4, 0), first(3, 100)):
        assert not all(np.array_equal(a["image"], b["image"]) for a, b in zip(one, other, strict=True))


@pytest.mark.slow
def test_the_stream_draws_synthetic_smears() -> None:
    one = next(iter(SmearStream(0, prompts=2)))
    assert one["image"].shape == (*SHAPE, 3)
    drawn = islice(SmearStream(0, prompts=2), 4)  # a single one may be nearly empty
    assert max(each["image"].std() for each in drawn) > 5
