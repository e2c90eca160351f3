"""Who takes part in a benchmark."""

import pytest
from drawn_smears import ColourModel

from cascade.benchmark.ablations import ABLATIONS
from cascade.benchmark.methods import participants
from cascade.errors import ConfigError
from cascade.sam import registry


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch):
    monkeypatch.setattr(registry, "load_model", lambda name, device: ColourModel())


OWN = """
class Method:
    def __init__(self, name, device):
        self.name, self.identity, self.device = name, "1", device
    def predict(self, image):
        return []
def mine(device):
    return Method("mine", device)
def nameless(device):
    return 3
def odd(device):
    return Method("../../etc", device)
broken = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def test_methods_of_every_kind(own, tmp_path):
    (tmp_path / "p.json").write_text("{}")
    found = participants(["cs3", "cs3:no-knots", f"{own}:mine", f"theirs={tmp_path / 'p.json'}"], "cpu")
    assert [one.name for one in found] == ["cs3", "cs3:no-knots", "mine", "theirs"]
    assert [one.file_name for one in found] == ["cs3", "cs3-no-knots", "mine", "theirs"]
    assert [one.method is None for one in found] == [False, False, False, True]
    assert all(one.about for one in found)
    assert found[2].method.device == "cpu"


def test_the_stages_stand_for_all_ablations():
    assert [one.name for one in participants(["cs3:stages", "cs3"], "cpu")] == list(ABLATIONS)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("resnet", "there is no method 'resnet'.*cs3:stages"),
        ("cs3:no-soup", "there is no method 'cs3:no-soup'"),
        ("theirs=missing.json", "no such file"),
        ("../up=own.py", "no plain name"),
        ("unet@missing.safetensors", "unet@missing.safetensors: expected one of unet"),
        ("naive@own.py", "expected one of unet"),
        ("../x=unet@own.py", "a plain name"),
        ("missing.py:mine", "missing.py:mine.*FileNotFoundError"),
        ("own.py:Absent", "own.py:Absent.*AttributeError"),
        ("own.py:broken", "own.py:broken.*not callable"),
        ("own.py:nameless", "found no name, identity, predict"),
        ("own.py:odd", r"the name '\.\./\.\./etc'"),
    ],
)
def test_what_is_no_method_is_refused(own, monkeypatch, word, message):
    monkeypatch.chdir(own.parent)
    with pytest.raises(ConfigError, match=message):
        participants([word], "cpu")


def test_names_must_differ(own, tmp_path):
    (tmp_path / "p.json").write_text("{}")
    with pytest.raises(ConfigError, match="found 'mine' and 'Mine'"):
        participants([f"{own}:mine", f"Mine={tmp_path / 'p.json'}"], "cpu")
    with pytest.raises(ConfigError, match="found none"):
        participants([], "cpu")
