"""`cs3 fit` from experts' outlines and from synthetic smears, and what it refuses."""

import pytest
from drawn_smears import ColourModel, write_data
from typer.testing import CliRunner

from cascade.config import CS3Config
from cascade.fitting import gather
from cascade.fitting.commands import app
from cascade.sam import registry

WIDE = {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"}


def fit(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments], env=WIDE)


@pytest.fixture
def colours(monkeypatch):
    model = ColourModel()
    monkeypatch.setattr(registry, "load_model", lambda *_: model)
    return model


def test_too_few_images_leave_the_weights_and_say_so(tmp_path, colours):
    folder = write_data(tmp_path / "data")
    out, kept = tmp_path / "weights.toml", tmp_path / "kept"
    asked = ("all", "--data", folder / "experts.json", "--images", folder / "images", "--keep", kept)
    done = fit(*asked, "--out", out, "--until", "2023-01-02")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("too few candidates") == 4
    assert "[2/2] images" in done.stderr
    assert CS3Config.from_toml(out) == CS3Config()
    assert "# Learnt from 2 images" in out.read_text()
    assert str(tmp_path) not in out.read_text()
    encoded = colours.encoded
    assert fit(*asked, "--out", out).exit_code == 0
    assert colours.encoded == encoded * 3 // 2  # two of the three are kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("links",), "--synthetic, to learn from"),
        (("links", "--synthetic", "1", "--learn", "experts"), "to learn from"),
        (("links", "--data", "x.json"), "--data and --images together"),
        (("everything", "--synthetic", "1"), "everything"),
        (("links", "--synthetic", "1", "--config", "absent.toml"), "absent.toml"),
    ],
)
def test_wrong_use_is_refused_before_any_work(tmp_path, colours, arguments, said):
    done = fit(*arguments, "--out", tmp_path / "weights.toml")
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert not list(tmp_path.iterdir())
    assert not colours.encoded


def test_images_to_learn_from_must_be_left(tmp_path, colours):
    folder = write_data(tmp_path / "data")
    data = ("--data", folder / "experts.json", "--images", folder / "images")
    done = fit("pairs", *data, "--test-after", "2022-12-31", "--out", tmp_path / "weights.toml")
    assert done.exit_code == 2
    assert "expected images to learn from" in done.output


@pytest.mark.slow
def test_weights_are_learnt_from_synthetic_smears_alone(tmp_path, monkeypatch):
    """Small fields of the real synthesis, through the shipped model and every stage."""
    monkeypatch.setattr(gather, "SHAPE", (320, 400))
    out = tmp_path / "weights.toml"
    done = fit("links", "--synthetic", 4, "--seed", 40, "--out", out, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "at_junction\n" in done.stdout
    fitted, shipped = CS3Config.from_toml(out), CS3Config()
    assert fitted.tails.links.at_junction != shipped.tails.links.at_junction
    assert fitted.tails.links.at_junction.turn < 0
    assert (fitted.matching, fitted.instances) == (shipped.matching, shipped.instances)
