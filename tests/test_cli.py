import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import standin
import typer
from PIL import Image
from typer.testing import CliRunner

from cascade import cli, subcommands
from cascade.config import CS3Config
from cascade.errors import AnnotationError, ModelError

ROOT = Path(__file__).parent.parent
MODEL = SimpleNamespace(name="stand-in", sha256="f" * 64)


def module(name, **content):
    made = ModuleType(name)
    made.__dict__.update(content)
    return made


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of model and pipeline, which are stand-ins."""
    asked = SimpleNamespace(models=[], configs=[], sizes=[])

    def load_model(name, device):
        asked.models.append((name, device))
        return MODEL

    def segment(pixels, *, model, config, pixel_size):
        assert model is MODEL
        asked.configs.append(config)
        asked.sizes.append(pixel_size)
        return standin.segment(pixels, pixel_size)

    monkeypatch.setitem(sys.modules, "cascade.sam.registry", module("registry", load_model=load_model))
    monkeypatch.setitem(sys.modules, "cascade.pipeline", module("pipeline", segment=segment))
    monkeypatch.setenv("COLUMNS", "200")
    return asked


@pytest.fixture
def smears(tmp_path):
    standin.write_smears(tmp_path / "smears", 3)
    return tmp_path / "smears"


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], prog_name="cs3")


def test_segment(asked, smears, tmp_path):
    done = run("segment", smears, "--out", tmp_path / "out", "--export", "geojson,imagej", "--export", "tiff")
    assert done.exit_code == 0, done.output
    assert asked.models == [("tiny", "auto")]
    assert asked.configs == [CS3Config()] * 3
    for name in ("annotations.coco.json", "sperm.csv", "run.json", "overlays", "geojson", "imagej", "labels"):
        assert (tmp_path / "out" / name).exists()
    summary = (line.rsplit(None, 1) for line in done.stdout.splitlines() if "median" not in line)
    assert {name.strip(): value for name, value in summary} == {
        "pictures": "3",
        "sperm": "3",
        "of these complete": "3",
        "results in": str(tmp_path / "out"),
    }


def test_options_reach_the_pipeline(asked, smears, tmp_path):
    options = (
        "--model",
        "vit_b",
        "--device",
        "cpu",
        "--pixel-size",
        "0.1",
        "--preset",
        "paper",
        "--no-overlay",
    )
    done = run("segment", smears / "smear-01.png", "--out", tmp_path / "out", *options, "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    assert (asked.models, asked.configs, asked.sizes) == ([("vit_b", "cpu")], [CS3Config.paper()], [0.1])
    assert not (tmp_path / "out/overlays").exists()
    report = json.loads((tmp_path / "out/run.json").read_text())
    assert report["configuration"] == CS3Config.paper().model_dump(mode="json")


def test_configuration_file(asked, smears, tmp_path):
    (tmp_path / "own.toml").write_text("[heads]\nrounds = 5\n")
    done = run("segment", smears, "--out", tmp_path / "out", "--config", tmp_path / "own.toml")
    assert done.exit_code == 0, done.output
    assert asked.configs[0].heads.rounds == 5


def test_some_failed_is_one_and_says_which(asked, smears, tmp_path):
    (smears / "empty.png").touch()
    done = run("segment", smears, "--out", tmp_path / "out", "-q")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: empty.png: expected an image, found an empty file")
    assert len(json.loads((tmp_path / "out/run.json").read_text())["images"]) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.png", "--out", "out"], "missing.png: expected a file, folder or pattern"),
        (["smears", "--out", "smears"], "expected an empty or new folder"),
        (["smears", "--out", "smears", "--resume"], "expected the folder of an earlier run"),
        (["smears", "--out", "smears/smear-00.png"], "found a file"),
        (["smears"], "Missing option '--out'"),
        (["--out", "out"], "Missing argument 'INPUT'"),
        (["smears", "--out", "out", "--export", "pdf"], "expected any of geojson,imagej,tiff, got pdf"),
        (["smears", "--out", "out", "--pixel-size", "0"], "expected µm a pixel above 0"),
        (["smears", "--out", "out", "--pixel-size", "nan"], "expected µm a pixel above 0"),
        (
            ["smears", "--out", "out", "--config", "a.toml", "--preset", "paper"],
            "expected --config or --preset",
        ),
        (["smears", "--out", "out", "--config", "missing.toml"], "missing.toml"),
        (["smears", "--out", "out", "--config", "bad.toml"], "bad.toml"),
    ],
)
@pytest.mark.usefixtures("asked", "smears")
def test_wrong_use_is_two_with_one_message(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("[heads]\nround = 5\n")
    done = run("segment", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_missing_model_is_two_and_leaves_no_folder(asked, smears, tmp_path, monkeypatch):
    def fail(*_):
        raise ModelError("tiny: expected weights, found none")

    monkeypatch.setattr(sys.modules["cascade.sam.registry"], "load_model", fail)
    done = run("segment", smears, "--out", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (2, "Error: tiny: expected weights, found none\n")
    assert not (tmp_path / "out").exists()


def test_results_inside_the_inputs_are_no_inputs(asked, smears):
    assert run("segment", smears, "--out", smears / "out", "-q").exit_code == 0
    done = run("segment", smears, "--out", smears / "out", "--resume")
    assert done.exit_code == 0
    assert "of these from the earlier run 3" in " ".join(done.stdout.split())


def test_progress_in_a_log_file_is_a_line_a_picture(asked, smears, tmp_path):
    done = run("segment", smears, "--out", tmp_path / "out")
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"[{n + 1}/3] smear-{n:02d}.png" for n in range(3)]


INTERRUPTED = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import standin, test_cli
def slow(pixels, *, model, config, pixel_size):
    time.sleep(0.1)
    return standin.segment(pixels, pixel_size)
sys.modules["cascade.sam.registry"] = test_cli.module("registry", load_model=lambda *_: test_cli.MODEL)
sys.modules["cascade.pipeline"] = test_cli.module("pipeline", segment=slow)
test_cli.cli.main()
"""


def test_interrupt_says_how_to_go_on(tmp_path):
    standin.write_smears(tmp_path / "smears", 12)
    out = tmp_path / "out"
    code = INTERRUPTED.format(root=str(ROOT), tests=str(ROOT / "tests"))
    command = [sys.executable, "-c", code, "segment", str(tmp_path / "smears"), "--out", str(out)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".cs3/records/*.gz"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.endswith(
        "Interrupted. What is done is kept: run the same command with --resume to finish the rest.\n"
    )
    assert "Traceback" not in said
    assert not (out / "run.json").exists()
    finished = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False, timeout=60)
    assert finished.returncode == 0, finished.stderr
    images = json.loads((out / "run.json").read_text())["images"]
    assert 3 <= sum(image["reused"] for image in images) < 12


# -- other sub-commands


def test_explain(asked, smears, tmp_path, monkeypatch):
    called = []
    monkeypatch.setitem(
        sys.modules, "cascade.explain", module("explain", explain=lambda *arguments: called.append(arguments))
    )
    done = run("explain", smears / "smear-01.png", "--out", tmp_path / "out", "--preset", "paper")
    assert done.exit_code == 0, done.output
    ((pixels, out, model, config),) = called
    assert (pixels.shape, out, model, config) == ((40, 60, 3), tmp_path / "out", MODEL, CS3Config.paper())


def test_explain_of_no_image_is_two(asked, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cascade.explain", module("explain", explain=None))
    done = run("explain", tmp_path / "missing.png", "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "found nothing there" in done.stderr


def test_synthesize_and_score(tmp_path):
    out = tmp_path / "smears"
    done = run("synthesize", "--out", out, "-n", 1, "--size", "160x120", "--head-length", 30, "--seed", 3)
    assert done.exit_code == 0, done.output
    truth = out / "annotations.coco.json"
    with Image.open(out / json.loads(truth.read_text())["images"][0]["file_name"]) as smear:
        assert smear.size == (160, 120)
    done = run("score", truth, truth, truth, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["mIoU"] == pytest.approx(1)
    lines = run("score", truth, truth).stdout.splitlines()
    assert lines[0].split() == ["images", "1"]
    assert "mIoU                  1.000" in lines
    (header, row) = run("score", truth, truth, "--trust").stdout.splitlines()
    assert header.split() == ["score", "sperm", "mean", "score", "right"]
    assert row.split()[0] == "0.95–1.00"
    assert row.split()[-1] == "1.00"
    (band,) = json.loads(run("score", truth, truth, "--trust", "--json").stdout)
    assert band["right"] == 1


@pytest.mark.parametrize("size", ["100", "0x10", "ax10", "10x10x10"])
def test_size_that_is_none(tmp_path, size):
    done = run("synthesize", "--out", tmp_path / "out", "--size", size)
    assert done.exit_code == 2
    assert "such as 1280x1024" in done.stderr


def test_score_of_a_bad_file_is_two(tmp_path, monkeypatch):
    asked = []

    def score_prediction(truths, prediction, until, after):
        asked.append((truths, prediction, str(until), after))
        raise AnnotationError("a.json: expected categories, found none")

    score = module("score", score_prediction=score_prediction)
    monkeypatch.setitem(sys.modules, "cascade.benchmark.score", score)
    done = run("score", "a.json", "b.json", "c.json", "--until", "2023-04-27")
    assert (done.exit_code, done.stderr) == (2, "Error: a.json: expected categories, found none\n")
    assert asked == [([Path("a.json"), Path("b.json")], Path("c.json"), "2023-04-27", None)]


def test_version():
    assert run("--version").output.startswith("cs3 ")


def test_help_names_every_command_and_imports_nothing_heavy():
    code = "import sys; from cascade import cli; sys.argv[1:] = ['--help']\n"
    code += "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
    code += "heavy = {'numpy', 'cv2', 'torch', 'scipy', 'PIL', 'pydantic', 'tifffile'} & set(sys.modules)\n"
    code += "print('heavy:', sorted(heavy))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
    )
    for name in ("segment", "explain", "synthesize", "score", "models", "train"):
        assert f"│ {name} " in done.stdout
    assert "See, fetch and find the models." in done.stdout
    assert done.stdout.endswith("heavy: []\n")


def test_models_takes_its_own_arguments(monkeypatch):
    heard = []
    models = typer.Typer()

    @models.command()
    def fetch(name: str, force: bool = False) -> None:
        heard.append((name, force))

    @models.command("list")
    def list_models() -> None:
        raise typer.Exit(3)

    monkeypatch.setitem(sys.modules, "cascade.sam.commands", module("commands", app=models))
    assert run("models", "fetch", "vit_b", "--force").exit_code == 0
    assert heard == [("vit_b", True)]
    assert run("models", "list").exit_code == 3
    assert "Usage: cs3 models" in run("models", "--help").output


def test_other_packages_add_commands(monkeypatch):
    app, heard = typer.Typer(), []
    app.command("own")(lambda: None)
    points = [
        EntryPoint("remote", "made_up_service:app", subcommands.GROUP),
        EntryPoint("own", "made_up_service:app", subcommands.GROUP),
        EntryPoint("broken", "made_up_missing:app", subcommands.GROUP),
    ]
    monkeypatch.setattr(subcommands, "entry_points", lambda group: points if group == "cs3.commands" else [])
    service = module("made_up_service", app=lambda args, prog_name: heard.append((args, prog_name)))
    service.__spec__ = None
    subcommands.add_installed(app)
    monkeypatch.setitem(sys.modules, "made_up_service", service)
    assert CliRunner().invoke(app, ["remote", "a", "--b", "c"]).exit_code == 0
    assert heard == [(["a", "--b", "c"], "cs3 remote")]
    broken = CliRunner().invoke(app, ["broken"])
    assert broken.exit_code == 2
    assert "expected a command at made_up_missing:app" in broken.stderr


def test_unforeseen_error_is_one_message(monkeypatch, capsys):
    def fail(**_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(cli, "add_installed", lambda _: None)
    monkeypatch.setattr(cli, "_quieten_libraries", lambda: None)
    monkeypatch.delenv("CS3_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("Error: unexpected ZeroDivisionError: division by zero;")
    monkeypatch.setenv("CS3_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_synthesize_like_a_folder_and_measure_the_distance(tmp_path):
    drawn = ("--count", 4, "--size", "640x512", "--head-length", 45)
    done = run("synthesize", "--out", tmp_path / "own", *drawn, "--stain", "papanicolaou")
    assert done.exit_code == 0, done.output
    (tmp_path / "own" / "annotations.coco.json").rename(tmp_path / "truth.json")
    (tmp_path / "own" / "damaged.png").write_bytes(b"not a picture")
    done = run(
        "synthesize", "--out", tmp_path / "like", "-n", 2, "--like", tmp_path / "own", "--format", "yolo"
    )
    assert done.exit_code == 0, done.output
    assert "skipped damaged.png" in done.stderr
    with Image.open(tmp_path / "like" / "images" / "smear-000000.png") as smear:
        assert smear.size == (640, 512)
    seen = tmp_path / "like" / "appearance.json"
    done = run("synthesize", "--out", tmp_path / "again", "-n", 4, "--appearance", seen)
    assert done.exit_code == 0, done.output
    done = run("synthesize-distance", tmp_path / "own", "--synthetic", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 3


def test_synthesize_like_nothing_is_two(tmp_path):
    (tmp_path / "none").mkdir()
    done = run("synthesize", "--out", tmp_path / "out", "--like", tmp_path / "none")
    assert done.exit_code == 2
    assert "found none" in done.stderr
    done = run("synthesize", "--out", tmp_path / "out", "--like", tmp_path, "--stain", "ral")
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()
