"""Encodings that threads share: the same as alone, gathered, and no thread waits in vain."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_meta import small_sam

from cascade import load_model, segment
from cascade.prompts import as_prompts
from cascade.sam.batching import GatheringModel, gathering, taking_part
from cascade.sam.meta import MetaSam

EXAMPLES = Path(__file__).parents[2] / "cascade" / "examples"
LONG = 60.0  # seconds that nobody waits where the test passes


class Counting:
    """A model that can be held up, and fails over images of the value 13."""

    name, sha256 = "counting", "0" * 64

    def __init__(self) -> None:
        self.passes: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def prepare(self, image: np.ndarray, head_length: float) -> np.ndarray:
        return image

    def encode(self, image: np.ndarray, head_length: float) -> int:
        return self.encode_together([image])[0]()

    def encode_together(self, prepared: Sequence[np.ndarray]) -> list[Callable[[], int]]:
        self.passes.append(len(prepared))
        self.go.wait(LONG)
        values = [int(one.flat[0]) for one in prepared]
        if 13 in values:
            raise MemoryError
        return [lambda value=value: value for value in values]


def image(value: int, side: int = 4) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def ask_together(model: GatheringModel, images: Sequence[np.ndarray]) -> list[object]:
    """Each in a thread of its own, none before all take part."""
    everybody = threading.Barrier(len(images))

    def ask(one: np.ndarray) -> object:
        with model.taking_part():
            everybody.wait(LONG)
            try:
                return model.encode(one, 36.0)
            except MemoryError as error:
                return error

    with ThreadPoolExecutor(len(images)) as pool:
        return list(pool.map(ask, images))


def test_who_takes_part_shares_a_pass_and_gets_the_own_answer() -> None:
    counting = Counting()
    sizes: list[int] = []
    model = GatheringModel(counting, 4, LONG, sizes.append)
    assert ask_together(model, [image(v) for v in (1, 2, 3, 4)]) == [1, 2, 3, 4]
    assert counting.passes == sizes == [4]


def test_shapes_are_not_mixed() -> None:
    counting = Counting()
    model = GatheringModel(counting, 4, LONG)
    assert ask_together(model, [image(1), image(2, 5), image(3), image(4, 5)]) == [1, 2, 3, 4]
    assert counting.passes == [2, 2]


def test_no_pass_is_larger_than_allowed() -> None:
    counting = Counting()
    model = GatheringModel(counting, 2, LONG)
    assert ask_together(model, [image(v) for v in range(6)]) == list(range(6))
    assert max(counting.passes) == 2
    assert sum(counting.passes) == 6


def test_a_thread_alone_does_not_wait() -> None:
    model = GatheringModel(Counting(), 4, LONG)
    began = time.monotonic()
    with model.taking_part():
        assert [model.encode(image(v), 36.0) for v in range(12)] == list(range(12))
    assert model.encode(image(7), 36.0) == 7  # also one that said nothing
    assert time.monotonic() - began < LONG


def test_who_leaves_is_waited_for_no_longer() -> None:
    """One thread asks while another takes part and never asks; it goes on when the other has left."""
    counting = Counting()
    model = GatheringModel(counting, 2, LONG)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        with model.taking_part():
            asked = pool.submit(ask_together, model, [image(5)])
            time.sleep(0.05)
            assert not counting.passes
        assert asked.result() == [5]
    assert time.monotonic() - began < LONG


def test_who_is_busy_is_waited_for_some_milliseconds_only() -> None:
    model = GatheringModel(Counting(), 2)
    with model.taking_part(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask_together, model, [image(5)]).result(LONG) == [5]


def test_who_waits_for_a_running_pass_is_not_waited_for() -> None:
    counting = Counting()
    counting.go.clear()
    model = GatheringModel(counting, 4, LONG)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask_together, model, [image(1)])
        while not counting.passes:
            time.sleep(0.001)
        second = pool.submit(ask_together, model, [image(2)])
        while len(counting.passes) < 2:
            time.sleep(0.001)
        counting.go.set()
        assert [first.result(), second.result()] == [[1], [2]]


def test_a_pass_that_fails_harms_only_who_is_to_blame() -> None:
    counting = Counting()
    model = GatheringModel(counting, 3, LONG)
    first, second, third = ask_together(model, [image(1), image(13), image(3)])
    assert (first, third) == (1, 3)
    assert isinstance(second, MemoryError)
    assert sorted(counting.passes) == [1, 1, 1, 3]


def test_many_threads_and_rounds_lose_nothing() -> None:
    counting = Counting()
    model = GatheringModel(counting, 4)

    def work(number: int) -> list[object]:
        with model.taking_part():
            return [model.encode(image(number, 1 + v % 3), 36.0) for v in range(40)]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [[n] * 40 for n in range(6)]
    assert sum(counting.passes) == 6 * 40


def test_a_model_that_cannot_is_left_as_it_is() -> None:
    plain = SimpleNamespace(name="plain", sha256="0" * 64, encode=lambda image, head_length: None)
    assert gathering(plain, 4, print) is plain  # type: ignore[arg-type]
    with taking_part(plain):  # type: ignore[arg-type]
        pass


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 image a pass, got 0"):
        GatheringModel(Counting(), 0)


# --- real models


def crops() -> list[np.ndarray]:
    smear = np.array(Image.open(EXAMPLES / "papanicolaou.png").convert("RGB"))
    return [np.ascontiguousarray(smear[y : y + 200, x : x + 260]) for x, y in ((60, 40), (300, 200), (0, 0))]


def test_tiny_says_the_same_of_an_image_in_a_batch_as_alone() -> None:
    tiny = load_model("tiny", "cpu")
    images = crops()
    alone = [tiny.encode(one, 36.0) for one in images]
    sizes: list[int] = []
    shared = ask_together(GatheringModel(tiny, 3, LONG, sizes.append), images)
    assert sizes == [3]
    asked = as_prompts([np.array([point]) for point in ((60.0, 50.0), (130.0, 100.0), (200.0, 150.0))])
    for one, other in zip(shared, alone, strict=True):
        for kind in ("head", "tail"):
            np.testing.assert_allclose(
                getattr(one.dense, kind), getattr(other.dense, kind), rtol=0, atol=0.02
            )
            ours, theirs = one.decode(asked, kind), other.decode(asked, kind)
            most = 0.02 * float(np.abs(theirs.logits).max())
            np.testing.assert_allclose(ours.logits, theirs.logits, rtol=0, atol=most)
            np.testing.assert_allclose(ours.scores, theirs.scores, rtol=0, atol=0.02)
    with pytest.raises(AssertionError):  # which different images would not pass
        np.testing.assert_allclose(alone[0].dense.head, alone[1].dense.head, rtol=0, atol=0.02)


def test_metas_encoder_says_the_same_of_an_image_in_a_batch_as_alone() -> None:
    meta = MetaSam(small_sam(), "small", "0" * 64)
    images = [one[: 100 + 20 * n] for n, one in enumerate(crops())]
    sizes: list[int] = []
    shared = ask_together(GatheringModel(meta, 3, LONG, sizes.append), images)
    assert sizes == [3]  # of different sizes, but padded to one
    for one, picture in zip(shared, images, strict=True):
        alone = meta.encode(picture, 36.0)
        assert one.shape == alone.shape == picture.shape[:2]
        np.testing.assert_allclose(one.features, alone.features, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_two_images_segmented_at_a_time_are_segmented_as_alone() -> None:
    tiny = load_model("tiny", "cpu")
    sizes: Counter[int] = Counter()
    model = GatheringModel(tiny, 2, 1.0, lambda size: sizes.update([size]))
    one = crops()[0]

    def work(_: int) -> list[tuple[bool, int]]:
        with model.taking_part():
            found = segment(one, model=model)
        return [(sperm.complete, sperm.region.area) for sperm in found.sperm]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, range(2))
    alone = segment(one, model=tiny)
    expected = [(sperm.complete, sperm.region.area) for sperm in alone.sperm]
    assert sizes[2] > 0
    for found in (first, second):
        assert [complete for complete, _ in found] == [complete for complete, _ in expected]
        np.testing.assert_allclose([area for _, area in found], [area for _, area in expected], rtol=0.02)
