"""Teaching and asking, on drawn smears of several dates."""

import json
from pathlib import Path

import pytest
from drawn_methods import Colours, silent
from drawn_smears import write_data
from typer.testing import CliRunner

from cascade.benchmark.datasets import common_images, open_datasets
from cascade.benchmark.folds import Source, date_folds, head_length, synthetic_fold
from cascade.benchmark.gaps import Generalisation, markdown, write_generalisation
from cascade.benchmark.generalise import Contestant, Job, generalise
from cascade.benchmark.generalise_commands import app
from cascade.errors import AnnotationError

METHOD = f"{Path(__file__).with_name('drawn_methods.py')}:colours"
DAYS = [f"2023-01-{day:02d}" for day in range(1, 9)]


def source(folder):
    data = write_data(folder / "data", days=DAYS)
    experts = open_datasets([data / "experts.json"], images=data / "images")
    return Source(experts, {name: data / "images" / name for name in common_images(experts)})


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return source(tmp_path_factory.mktemp("generalise"))


class Pupil:
    """Learns the days that it is shown: finds sperm at their place on those, too low on others.

    Attributes:
        lessons: data and folder of every training.
    """

    name = "pupil"

    def __init__(self, patience=99):
        self.lessons, self.patience = [], patience

    def teach(self, data, folder):
        if len(self.lessons) == self.patience:
            return None
        self.lessons.append((data, folder))
        return Colours("pupil", shift=len(self.lessons) % 2)


def test_folds_leave_one_group_of_dates_out(real):
    folds = date_folds(real, 4)
    assert [fold.name for fold in folds] == [
        "2023-01-01 to 2023-01-02",
        "2023-01-03 to 2023-01-04",
        "2023-01-05 to 2023-01-06",
        "2023-01-07 to 2023-01-08",
    ]
    for fold in folds:
        assert len(fold.left_out) == 2
        assert sorted([*fold.known, *fold.left_out]) == sorted(real.images)
        assert not set(fold.check) & set(fold.asked)
        assert all((fold.learn, fold.check, fold.asked))


def test_too_few_dates_or_images_are_refused(real):
    with pytest.raises(AnnotationError, match="9"):
        date_folds(real, 9)
    few = Source(real.experts, dict(list(real.images.items())[:4]))
    with pytest.raises(AnnotationError, match=r"at least 4 images .* found 3"):
        date_folds(few, 4)


def test_synthetic_smears_are_as_large_as_real_ones_and_drawn_once(real, tmp_path):
    assert head_length(real) == pytest.approx(18, abs=1.5)
    fold = synthetic_fold(real, 4, tmp_path / "drawn")
    assert fold.left_out == list(real.images)
    drawn = fold.inside.experts[0]
    assert {image.shape for image in drawn.images.values()} == {
        real.experts[0].images[DAYS[0] + ".png"].shape
    }
    before = drawn.path.stat().st_mtime_ns
    assert synthetic_fold(real, 4, tmp_path / "drawn").learn == fold.learn
    assert drawn.path.stat().st_mtime_ns == before
    with pytest.raises(AnnotationError, match="expected 5 synthetic smears, found 4"):
        synthetic_fold(real, 5, tmp_path / "drawn")


def test_methods_that_learn_see_nothing_of_what_they_are_asked_about(real, tmp_path):
    folds, pupil = date_folds(real, 4), Pupil()
    generalise(Job(folds, tmp_path, "paper", 100), [Contestant("pupil", teach=pupil.teach)], silent)
    assert len(pupil.lessons) == 4
    for fold, (data, folder) in zip(folds, pupil.lessons, strict=True):
        assert not set(data.images) & {*fold.asked, *fold.left_out, *data.held_out}
        assert list(data.images) == list(fold.learn)
        assert list(data.held_out) == list(fold.check)
        assert data.truths == (real.experts[0].path,)
        assert folder.is_relative_to(tmp_path)
    assert len({folder for _, folder in pupil.lessons}) == 4


def test_the_gap_is_inside_less_outside(real, tmp_path):
    contestants = [Contestant("colours", Colours()), Contestant("pupil", teach=Pupil().teach)]
    results = generalise(Job(date_folds(real, 4), tmp_path, "paper", 100), contestants, silent)
    colours, pupil = results.methods
    assert (colours.learns, pupil.learns) == (False, True)
    for fold in (*colours.folds, *pupil.folds):
        gap = fold.inside["mIoU"].value - fold.outside["mIoU"].value
        assert fold.gap["mIoU"].value == pytest.approx(gap)
    mean = sum(fold.gap["mIoU"].value for fold in pupil.folds) / 4
    assert pupil.gap["mIoU"].value == pytest.approx(mean)
    assert colours.gap["mIoU"].value == pytest.approx(0, abs=1e-9)  # all smears are alike
    spread = pupil.spread["mIoU"]
    assert spread.lowest < spread.highest
    assert colours.spread["mIoU"].sd == pytest.approx(0, abs=1e-9)
    write_generalisation(tmp_path, results)
    written = json.loads((tmp_path / "generalisation.json").read_text())
    assert Generalisation.model_validate(written) == results
    assert (tmp_path / "generalisation.md").read_text("utf-8") == markdown(results)
    assert "| pupil " in markdown(results)


def test_a_stopped_training_is_an_interrupt_and_predictions_are_kept(real, tmp_path):
    job = Job(date_folds(real, 4), tmp_path, "paper", 100)
    colours = Colours()
    both = [Contestant("colours", colours), Contestant("pupil", teach=Pupil(patience=1).teach)]
    with pytest.raises(KeyboardInterrupt):
        generalise(job, both, silent)
    assert colours.asked == 8
    generalise(job, [Contestant("colours", colours)], silent)
    assert colours.asked == 8


# -- the command


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="cs3 generalise")


def test_the_command(real, tmp_path):
    data = next(iter(real.images.values())).parents[1]
    options = ("--images", data / "images", "--out", tmp_path / "out", "--device", "cpu")
    done = call(data / "experts.json", *options, "--methods", METHOD, "--groups", 2)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out/generalisation.md").read_text("utf-8") in done.stdout
    written = json.loads((tmp_path / "out/generalisation.json").read_text())
    assert [fold["name"] for fold in written["folds"]] == [
        "2023-01-01 to 2023-01-04",
        "2023-01-05 to 2023-01-08",
    ]
    assert call(data / "experts.json", *options).exit_code == 2
    neither = call(data / "experts.json", *options, "--resume", "--groups", 0)
    assert neither.exit_code == 2


def test_predictions_cannot_learn(real, tmp_path):
    data = next(iter(real.images.values())).parents[1]
    options = ("--images", data / "images", "--out", tmp_path / "out", "--device", "cpu")
    done = call(data / "experts.json", *options, "--methods", f"theirs={data / 'experts.json'}")
    assert done.exit_code == 2
    assert "found predictions; name a method instead" in done.stderr
    assert not Path(tmp_path / "out").exists()


@pytest.mark.slow
def test_a_method_is_taught_by_the_command(real, tmp_path, monkeypatch):
    pytest.importorskip("segmentation_models_pytorch")
    from cascade.comparators import scale
    from cascade.training import unet

    monkeypatch.setattr(scale, "WORKING_SIDE", 96)
    monkeypatch.setattr(unet, "SHAPE", (64, 64))
    data = next(iter(real.images.values())).parents[1]
    out = tmp_path / "out"
    options = (
        "--images",
        data / "images",
        "--out",
        out,
        "--device",
        "cpu",
        "--methods",
        "unet",
        "--groups",
        2,
    )
    done = call(data / "experts.json", *options, "--steps", 1)
    assert done.exit_code == 0, done.output
    (method,) = json.loads((out / "generalisation.json").read_text())["methods"]
    assert (method["name"], method["learns"], len(method["folds"])) == ("unet", True, 2)
    trainings = sorted(path.relative_to(out / "training/unet") for path in out.rglob("unet.safetensors"))
    assert [path.parent.name for path in trainings] == [
        fold["fold"].replace(" ", "-") for fold in method["folds"]
    ]
