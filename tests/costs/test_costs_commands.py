import json

import pytest
from drawn_smears import ColourModel, smear, write_data
from typer.testing import CliRunner

from cascade import cli
from cascade.costs import architectures
from cascade.costs.commands import app
from cascade.sam import registry


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data")


@pytest.fixture
def loaded(monkeypatch):
    """What models were asked for; all of them are the stand-in."""
    asked = []

    def load_model(name, device):
        asked.append((name, device))
        return ColourModel()

    monkeypatch.setattr(registry, "load_model", load_model)
    monkeypatch.setenv("COLUMNS", "200")
    return asked


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="cs3 costs")


def on(data):
    return data / "experts.json", "--images", data / "images", "--out", data.parent / "out"


def test_prompts(loaded, data):
    options = ("--until", "2023-01-02", "--sample", 2, "--model", "own.pth", "--device", "cpu")
    (data / "own.toml").write_text("[heads]\ngrid_side = 9\n[tails]\ngrid_side = 9\n")
    done = run("prompts", *on(data), *options, "--config", data / "own.toml")
    assert done.exit_code == 0, done.output
    assert loaded == [("own.pth", "cpu")]
    out = data.parent / "out"
    document = json.loads((out / "prompts.json").read_text())
    assert document["images"] == ["2023-01-01.png"]
    assert document["device"].startswith("CPU, ")
    assert (out / "prompts.md").read_text() in done.stdout
    assert "[2/2] grid 9×9" in done.stderr
    assert len(list((out / "predictions").iterdir())) == 2
    assert sorted(path.name for path in out.iterdir()) == [
        ".cs3",
        "predictions",
        "prompts.json",
        "prompts.md",
    ]


def test_prompts_with_several_experts(loaded, data):
    (data / "b.json").write_bytes((data / "experts.json").read_bytes())
    (data / "c.json").write_bytes((data / "experts.json").read_bytes())
    truth, *rest = on(data)
    (data / "own.toml").write_text("[heads]\ngrid_side = 9\n[tails]\ngrid_side = 9\n")
    options = ("--limit", 1, "--config", data / "own.toml")
    done = run("prompts", f"{truth},{data / 'b.json'}", data / "c.json", *rest, *options)
    assert done.exit_code == 0, done.output
    document = json.loads((data.parent / "out/prompts.json").read_text())
    assert document["truths"] == ["experts.json", "b.json", "c.json"]
    assert [one["name"] for one in document["variants"]] == ["foreground", "grid 9×9"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--images": "nowhere"}, "3 of 3 missing"),
        ({"--out": "data"}, "add --resume"),
        ({"--after": "2024-01-01"}, "check the filters"),
        ({"--config": "missing.toml"}, "missing.toml"),
        ({"--limit": "0"}, "--limit"),
        ({"--until": "yesterday"}, "--until"),
    ],
)
def test_wrong_use_is_two(loaded, data, monkeypatch, change, message):
    monkeypatch.chdir(data.parent)
    options = {"--images": "data/images", "--out": "out"} | change
    done = run("prompts", "data/experts.json", *(item for pair in options.items() for item in pair))
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (data.parent / "out").exists()


def test_interrupted_and_resumed(loaded, data, monkeypatch):
    models = [ColourModel(fail_after=1), ColourModel()]
    monkeypatch.setattr(registry, "load_model", lambda name, device: models.pop(0))
    done = run("prompts", *on(data), "--limit", 1)
    assert done.exit_code == 130
    assert "--resume" in done.stderr
    done = run("prompts", *on(data), "--limit", 1, "--resume")
    assert done.exit_code == 0, done.output


def test_oracle(loaded, data):
    (data / "second.json").write_bytes((data / "experts.json").read_bytes())
    truth, *rest = on(data)
    done = run("oracle", f"{truth},{data / 'second.json'},{truth}", *rest, "--sample", 2, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert loaded == [("tiny", "cpu")]
    out = data.parent / "out"
    document = json.loads((out / "oracle.json").read_text())
    assert document["truths"] == ["experts.json", "second.json"]  # each once
    assert document["images"] == ["2023-01-01.png", "2023-01-03.png"]
    assert (out / "oracle.md").read_text() in done.stdout
    assert "[14/14] all of it" in done.stderr
    assert len(list((out / "predictions").iterdir())) == 7


def test_oracle_of_a_damaged_truth_is_two(loaded, data):
    (data / "experts.json").write_text("{")
    done = run("oracle", *on(data))
    assert (done.exit_code, "broken JSON" in done.stderr) == (2, True)
    assert not (data.parent / "out").exists()


def test_architectures(data, monkeypatch):
    asked = []

    def measure(name, field, device):
        asked.append((name, field, device))
        return architectures.cost_of(ColourModel(), smear())

    monkeypatch.setattr(architectures, "measured_apart", measure)
    options = (
        "--architectures",
        "vit_b,vit_l",
        "--device",
        "cpu",
        "--seed",
        7,
        "--width",
        64,
        "--height",
        32,
    )
    done = run("architectures", "--out", data / "out", *options)
    assert done.exit_code == 0, done.output
    field = architectures.Field(7, (32, 64), 90.0)
    assert asked == [("vit_b", field, "cpu"), ("vit_l", field, "cpu")]
    document = json.loads((data / "out/architectures.json").read_text())
    assert [one["architecture"] for one in document["architectures"]] == ["vit_b", "vit_l"]
    assert (data / "out/architectures.md").read_text() in done.stdout


def test_unknown_architecture(data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    done = run("architectures", "--out", data / "out", "--architectures", "vit_b,resnet")
    assert done.exit_code == 2
    assert "got resnet" in done.stderr


def test_the_command_holds_it():
    done = CliRunner().invoke(cli.app, ["costs", "--help"], prog_name="cs3")
    assert done.exit_code == 0, done.output
    assert all(name in done.stdout for name in ("prompts", "oracle", "architectures"))
