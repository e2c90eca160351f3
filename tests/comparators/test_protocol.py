"""What a method may answer, and how methods are found."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from cascade.comparators import registry
from cascade.comparators.cs3 import CS3, found
from cascade.comparators.identity import identity
from cascade.comparators.naive import Naive
from cascade.comparators.protocol import PARTS, FoundSperm
from cascade.comparators.registry import METHODS, load_method
from cascade.config import CS3Config, KnotsConfig
from cascade.errors import ConfigError
from cascade.sam.registry import load_model
from cascade.types import Head, Region, Result, Sperm, Tail

DOT = Region(np.ones((2, 3), bool), 4, 5)
NOTHING = Region(np.zeros((0, 0), bool), 0, 0)


def test_a_sperm_has_named_parts_with_pixels() -> None:
    assert PARTS == ("acrosome", "nucleus", "vacuole", "midpiece", "tail", "head")
    assert FoundSperm({"head": DOT, "tail": DOT}, 1.0).score == 1


@pytest.mark.parametrize(
    ("parts", "score", "told"),
    [
        ({}, 0.5, "one or more of the parts acrosome, .* got none"),
        ({"neck": DOT}, 0.5, "got .'neck'."),
        ({"head": NOTHING}, 0.5, "'head' is a Region with pixels"),
        ({"head": DOT.mask}, 0.5, "'head' is a Region with pixels"),
        ({"head": DOT}, 1.5, "between 0 and 1, got 1.5"),
        ({"head": DOT}, float("nan"), "between 0 and 1, got nan"),
    ],
)
def test_what_is_no_sperm(parts, score, told) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((ValueError, AttributeError), match=told):
        FoundSperm(parts, score)


def test_unknown_methods_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no method 'magic': expected one of cs3, con2dis, sam"):
        load_method("magic")
    assert load_method("naive").name == "naive"
    assert set(METHODS) == {"cs3", "con2dis", "sam", "unet", "maskrcnn", "naive"}


def test_looking_methods_up_loads_no_library() -> None:
    code = (
        "import sys, cascade.comparators.registry, cascade.comparators.protocol, cascade.training.settings;"
        "print([m for m in ('torch', 'torchvision', 'segmentation_models_pytorch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_identities_tell_settings_apart() -> None:
    assert identity("a", x=1) == identity("a", x=1)
    assert len({identity("a", x=1), identity("a", x=2), identity("b", x=1)}) == 3
    model = load_model("tiny", "cpu")
    whole, less = CS3(model), CS3(model, CS3Config(knots=KnotsConfig(enabled=False)), "cs3:no-knots")
    assert whole.identity != less.identity
    assert less.name == "cs3:no-knots"


def test_a_result_becomes_an_answer_cut_to_the_image() -> None:
    head = Head(DOT, 0.9, np.zeros(2), np.array([1.0, 0]), 3, 2)
    outside = Tail(Region(np.ones((1, 1), bool), 500, 500), 0.9, np.zeros((2, 2)), 1.0)
    tail = Tail(Region(np.ones((2, 30), bool), 7, 5), 0.9, np.zeros((2, 2)), 1.0)
    sperm = (Sperm(1, head, outside, 0.4), Sperm(2, head, tail, 0.9), Sperm(3, None, outside, 0.8))
    first, second = found(Result((20, 20), sperm, 3.0, "measured"))
    assert (first.score, second.score) == (0.9, 0.4)
    assert first.parts["tail"].box == (7, 5, 20, 7)
    assert set(second.parts) == {"head"}


# --- methods of other packages


def example(device: str) -> object:
    path = Path(__file__).parents[2] / "docs" / "example_method.py"
    return runpy.run_path(str(path))["dark_spots"](device)


def offer(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    several = [EntryPoint(name.replace("_", "-"), value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: several if group == registry.GROUP else [])


def test_the_documented_example_is_a_method(monkeypatch: pytest.MonkeyPatch, crossing) -> None:  # type: ignore[no-untyped-def]
    offer(monkeypatch, dark_spots=f"{__name__}:example", naive="nowhere:gone")
    method = load_method("dark-spots")
    found = method.predict(crossing.image)
    assert len(found) == 2
    heads = [Region.from_full(parts["acrosome"] | parts["nucleus"]) for parts in crossing.sperm]
    assert all(max(one.parts["head"].iou(head) for head in heads) > 0.9 for one in found)
    assert method.predict(np.full((20, 20, 3), 230, np.uint8)) == []
    assert load_method("naive").identity == Naive().identity  # a name that is taken stays what it is
    source = (Path(__file__).parents[2] / "docs" / "example_method.py").read_text()
    assert len(source.splitlines()) < 60


def test_an_offer_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, gone="cascade.nowhere:gone")
    with pytest.raises(ConfigError, match=r"method 'gone': expected a function at cascade\.nowhere:gone"):
        load_method("gone")
    with pytest.raises(ConfigError, match=r"expected one of .*naive, gone"):
        load_method("other")
