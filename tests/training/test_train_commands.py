"""`cs3 train`: what it says, how it ends, and the model card."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cascade.errors import AnnotationError
from cascade.sam.checkpoints import sha256_of
from cascade.sam.tiny import save_tiny
from cascade.sam.tiny_network import TinySam
from cascade.training import tiny
from cascade.training.card import write_card
from cascade.training.commands import app
from cascade.training.progress import TrainingDisplay, stop_on_request

QUICK = ["--steps", "3", "--dense-steps", "1", "--batch", "1", "--workers", "0", "--device", "cpu"]


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


# --- cs3 train tiny


@pytest.mark.usefixtures("noise")
def test_it_ends_with_where_the_weights_are_and_how_to_use_them(tmp_path: Path) -> None:
    code, out, told = run("tiny", "--out", tmp_path, *QUICK)
    assert code == 0
    weights = tmp_path / "tiny.safetensors"
    assert weights.is_file()
    assert f"cs3 segment --model {weights}" in out
    assert "[0/3]" in told
    assert "[3/3] head" in told
    assert run("tiny", "--out", tmp_path, *QUICK)[0] == 0  # nothing left to do


@pytest.mark.usefixtures("noise")
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn = tiny._Learner.learn

    def interrupted(self: tiny._Learner, *arguments: object) -> dict[str, float]:
        if self.step == 1:
            signal.raise_signal(signal.SIGINT)
        return learn(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(tiny._Learner, "learn", interrupted)
        code, _, told = run("tiny", "--out", tmp_path, *QUICK)
    assert code == 130
    assert (
        f"Stopped and saved at step 2 of 3. The same command goes on from the last checkpoint in {tmp_path}"
        in told
    )
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 2
    code, _, told = run("tiny", "--out", tmp_path, *QUICK)
    assert code == 0
    assert "[2/3]" in told


@pytest.mark.usefixtures("noise")
def test_ctrl_c_twice_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: tiny._Learner, *_: object) -> dict[str, float]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return {}

    monkeypatch.setattr(tiny._Learner, "learn", interrupted)
    code, _, told = run("tiny", "--out", tmp_path, *QUICK)
    assert code == 130
    assert "Interrupted. The same command goes on" in told


def test_other_settings_are_wrong_use(trained: Path) -> None:
    code, _, told = run("tiny", "--out", trained, *QUICK, "--seed", "7")
    assert code == 2
    assert "seed 7 instead of 0" in told


def test_a_damaged_checkpoint_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_text("no")
    code, _, told = run("tiny", "--out", tmp_path, *QUICK)
    assert code == 1
    assert "damaged file" in told


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--rate", "5", "between 0 and 1, found 5.0"),
        ("--device", "abacus", "unknown device 'abacus'"),
        ("--init", "nowhere.safetensors", "does not exist"),
        ("--steps", "0", "greater than or equal to 1"),
    ],
)
def test_wrong_options(tmp_path: Path, option: str, value: str, told: str) -> None:
    code, _, said = run("tiny", "--out", tmp_path / "new", *QUICK, option, value)
    assert code == 2
    assert told in said
    assert not (tmp_path / "new").exists()


def test_signals_mean_again_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_on_request() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_display_smooths_losses(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingDisplay() as display:
        display.begin(18, 30)
        display.taught(19, {"head": 1.0})
        display.taught(20, {"head": 2.0, "mask": 3.0})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "[18/30] drawing the first smears"
    assert lines[1].startswith("[20/30] head 1.10, mask 3.00; 0 min left")


# --- cs3 train card


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_tiny(
        TinySam(), path, {"steps": 500, "dense_steps": 0, "batch": 4, "seed": 3, "init": "ab12", "step": 500}
    )
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.json"
    path.write_text(json.dumps({"images": 83.0, "mIoU": 0.6789}))
    return path


def test_the_card_says_what_the_weights_are(weights: Path, scores: Path) -> None:
    code, out, _ = run(
        "card", weights, "--scores", scores, "--scored-on", "two fields", "--note", "Taught twice."
    )
    assert code == 0
    card = weights.with_suffix(".md")
    assert str(card) in out
    text = card.read_text(encoding="utf-8")
    for expected in (
        "# tiny\n",
        sha256_of(weights),
        f"{weights.stat().st_size:,} bytes",
        "Apache-2.0",
        "synthetic smears alone",
        "No human labels",
        "`cs3 train tiny --out DIR --steps 500 --dense-steps 0 --seed 3 --init WEIGHTS`",
        "| init | ab12 |",
        "Taught twice.\n\n## What it reaches\n\nScored on: two fields\n",
        "| images | 83 |",
        "| mIoU | 0.679 |",
        "not a medical device",
    ):
        assert expected in text
    parameters = sum(value.numel() for value in TinySam().state_dict().values())
    assert f"({parameters:,} parameters)" in text


def test_weights_that_do_not_say_how_they_were_taught(weights: Path, scores: Path) -> None:
    save_tiny(TinySam(), weights, {})
    text = write_card(weights, scores, "nothing").read_text(encoding="utf-8")
    assert "does not say with which settings" in text
    assert "`cs3 train tiny --out DIR`" in text


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", "{}", '{"mIoU": "high"}', '{"mIoU": NaN}', '{"mIoU": true}']
)
def test_scores_that_are_none(weights: Path, scores: Path, content: str) -> None:
    scores.write_text(content)
    with pytest.raises(AnnotationError, match="as `cs3 score --json` prints it"):
        write_card(weights, scores, "")
    assert not weights.with_suffix(".md").exists()


def test_a_card_needs_weights_and_scores(tmp_path: Path, scores: Path, weights: Path) -> None:
    code, _, told = run("card", tmp_path / "none.safetensors", "--scores", scores, "--scored-on", "x")
    assert code == 2
    assert "found no file" in told
    code, _, told = run("card", weights, "--scores", tmp_path / "none.json", "--scored-on", "x")
    assert code == 2
    assert "save its output to the file" in told
