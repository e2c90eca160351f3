import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cascade.exports import coco
from cascade.records import Record, RecordStore
from cascade.types import Head, Note, Region, Remark, Result, Sperm, Tail

RNG = np.random.default_rng(0)
HEAD = Head(
    Region(RNG.random((5, 9)) > 0.5, 3, -2), np.float32(0.1), RNG.random(2), RNG.random(2), 1 / 3, np.pi
)
TAIL = Tail(Region(RNG.random((7, 4)) > 0.5, 0, 8), 0.7, RNG.random((11, 2)), np.float32(2.2), "knots")
RESULT = Result(
    (20, 30),
    (
        Sperm(1, HEAD, TAIL, 0.9, (Remark("second tail", 3),)),
        Sperm(2, HEAD, None, 0.5),
        Sperm(3, None, TAIL, 0.25, (Remark("second tail of", 1),)),
    ),
    33.3,
    "measured",
    0.1,
    {"heads": 0.5},
    "tiny",
    "ab",
    (Note("faint", "faint: stain longer"),),
)


def record(result=RESULT):
    rows = [{"sperm_id": s.sperm_id, "tail_length_px": None, "complete": s.complete} for s in result.sperm]
    return Record(result, rows, coco.annotate_parts(result), {"read": 0.25}, 1.5)


def same_part(a, b):
    return a is b is None or (
        np.array_equal(a.region.mask, b.region.mask)
        and a.region.box == b.region.box
        and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__ if n != "region")
    )


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records", {"model_sha256": "ab", "configuration": {"a": 1}})


def test_record_comes_back_as_it_was(store):
    store.put("k", record())
    found = store.get("k")
    assert (found.rows, found.annotations, found.stages, found.seconds) == (
        record().rows,
        record().annotations,
        {"read": 0.25},
        1.5,
    )
    for name in (
        "shape",
        "head_length",
        "head_length_source",
        "pixel_size",
        "seconds",
        "model",
        "model_sha256",
    ):
        assert getattr(found.result, name) == getattr(RESULT, name)
    for one, other in zip(found.result.sperm, RESULT.sperm, strict=True):
        assert (one.sperm_id, one.score) == (other.sperm_id, other.score)
        assert same_part(one.head, other.head)
        assert same_part(one.tail, other.tail)


def test_put_returns_what_get_gives(store):
    put = store.put("k", record())
    got = store.get("k")
    assert all(same_part(a.head, b.head) for a, b in zip(put.result.sperm, got.result.sperm, strict=True))
    assert put.rows == got.rows


@settings(max_examples=30)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)), st.integers(-9, 99))
def test_any_region_survives(tmp_path_factory, mask, x0):
    store = RecordStore(tmp_path_factory.getbasetemp() / "any", {})
    head = Head(Region(mask, x0, 1), 1.0, np.zeros(2), np.array([1.0, 0.0]), 1.0, 1.0)
    stored = store.put(
        "k", Record(Result((9, 9), (Sperm(1, head, None, 1.0),), 1.0, "measured"), [], [], {}, 0.0)
    )
    assert same_part(stored.result.sperm[0].head, head)


def test_key_depends_on_everything_that_a_result_depends_on(tmp_path):
    settings = {"model_sha256": "ab", "configuration": {"a": 1}, "pixel_size": None}
    keys = {
        RecordStore(tmp_path, settings | change).key(sha256, page)
        for change in ({}, {"model_sha256": "cd"}, {"configuration": {"a": 2}}, {"pixel_size": 0.1})
        for sha256 in ("00", "11")
        for page in (None, 1, 2)
    }
    assert len(keys) == 4 * 2 * 3


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", gzip.compress(b"{}"), gzip.compress(b"nonsense")])
def test_damaged_record_counts_as_none(store, tmp_path, damage):
    store.put("k", record())
    (path,) = (tmp_path / "records").iterdir()
    path.write_bytes(damage)
    assert store.get("k") is None


def test_missing_record_is_none(store):
    assert store.get("k") is None
