"""Whole benchmarks on drawn smears: the command, the results, the report."""

import csv
import json
import re
from html.parser import HTMLParser

import jsonschema
import pytest
from drawn_methods import Colours, silent
from drawn_smears import ColourModel, write_data
from typer.testing import CliRunner

from cascade.benchmark.commands import app
from cascade.benchmark.datasets import common_images, open_datasets
from cascade.benchmark.methods import Participant
from cascade.benchmark.report.summary import markdown
from cascade.benchmark.results import read_results, schema
from cascade.benchmark.run import Benchmark, run
from cascade.benchmark.selection import Selection, find_images
from cascade.errors import OutputError
from cascade.sam import registry


def two_experts(folder):
    """Data of drawn smears in which a second expert outlines everything but one sperm's tail."""
    data = write_data(folder)
    document = json.loads((data / "experts.json").read_text())
    document["annotations"] = [
        one
        for one in document["annotations"]
        if (one["image_id"], one["sperm_id"], one["category_id"]) != (0, 0, 1)
    ]
    (data / "second.json").write_text(json.dumps(document))
    return data


def benchmark(data, out, methods, experts=("experts.json", "second.json")):
    raters = open_datasets([data / name for name in experts], images=data / "images")
    files = find_images(common_images(raters), data / "images", Selection())
    taking_part = [Participant(one.name, one, about="a <test>") for one in methods]
    return Benchmark(raters, files, taking_part, out, Selection(), "paper", resamples=100)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Folder and results of a benchmark of three methods, one of which fails once."""
    folder = tmp_path_factory.mktemp("run")
    data, out = two_experts(folder / "data"), folder / "out"
    methods = [Colours(), Colours("low", shift=1), Colours("shaky", fail_on=2)]
    return out, run(benchmark(data, out, methods), silent)


def test_results_are_those_in_the_file_and_fit_the_schema(done):
    out, results = done
    assert read_results(out / "results.json") == results
    jsonschema.validate(json.loads((out / "results.json").read_text()), schema())


def test_every_method_is_there_with_its_predictions(done):
    out, results = done
    assert [one.name for one in results.methods] == ["colours", "low", "shaky"]
    assert all((out / one.prediction).is_file() for one in results.methods)
    for one in results.methods:
        figure = one.figures["mIoU"]
        assert figure.low <= figure.value <= figure.high
        assert set(one.by_expert) == {"experts", "second"}
        assert set(one.by_image) == {image.file_name for image in results.images}
        assert one.seconds.median >= 0
    colours, low, _ = results.methods
    assert colours.figures["mIoU"].value > 0.8 > low.figures["mIoU"].value > 0.2


def test_a_failure_is_told_and_costs(done):
    out, results = done
    shaky = results.methods[2]
    assert list(shaky.failures) == ["2023-01-02.png"]
    assert shaky.by_image["2023-01-02.png"]["mIoU"] == 0
    assert "failed on 1 of 3 images" in (out / "report.html").read_text()


def test_experts_are_compared(done):
    _, results = done
    assert [one.name for one in results.agreement.experts] == ["experts", "second"]
    (pair,) = results.agreement.pairs
    assert (pair.first, pair.second) == ("experts", "second")
    assert 0.9 < pair.figures["head IoU"] <= 1
    assert {"sperm", "head", "flagellum"} <= set(results.agreement.pixel)
    assert set(results.methods[0].by_consensus) == {"majority", "staple"}


def test_methods_are_tested_in_pairs(done):
    _, results = done
    pairs = {(one.first, one.second) for one in results.tests if one.figure == "mIoU"}
    assert pairs == {("colours", "low"), ("colours", "shaky"), ("low", "shaky")}


def test_csv_and_markdown(done):
    out, results = done
    rows = list(csv.DictReader((out / "results.csv").read_text("utf-8").splitlines()))
    (row,) = [one for one in rows if (one["method"], one["figure"]) == ("low", "mIoU")]
    assert float(row["value"]) == pytest.approx(results.methods[1].figures["mIoU"].value, rel=1e-4)
    assert {one["method"] for one in rows} >= {"colours", "low", "shaky", "expert experts", "expert second"}
    text = (out / "results.md").read_text("utf-8")
    assert text == markdown(results)
    assert text.startswith("3 images, 9 sperm; figures averaged over 2 experts (experts, second)")


class Page(HTMLParser):
    """Collects what a page holds, and that its elements are closed in turn."""

    VOID = frozenset({"meta", "br", "use", "image", "line", "rect"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.headings, self.heading = [], [], [], [], False

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.heading = tag == "h2"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.heading:
            self.headings.append(data)
            self.heading = False


def test_the_page_is_whole_and_needs_nothing_else(done):
    out, _ = done
    text = (out / "report.html").read_text("utf-8")
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith(("data:image/jpeg;base64,", "#"))
        assert not link.startswith("#") or link[1:] in page.ids
    assert page.headings == [
        "At a glance",
        "All figures",
        "Image by image",
        "Precision, recall and time",
        "Is the difference real?",
        "How far experts agree",
        "Measurements",
        "Best, median and worst images",
        "How this was made",
    ]
    assert not re.search(r"\bNaN\b|\bnan\b|None", re.sub(r"base64,[^\"]*", "", text))
    assert "a &lt;test&gt;" in text
    assert "a <test>" not in text


def test_a_single_method_image_and_expert_will_do(tmp_path):
    data = write_data(tmp_path / "data", days=["2023-01-01"])
    results = run(benchmark(data, tmp_path / "out", [Colours()], ["experts.json"]), silent)
    assert (results.agreement.experts, results.tests) == ([], [])
    text = (tmp_path / "out/report.html").read_text("utf-8")
    assert "How far experts agree" not in text
    assert "Is the difference real?" not in text


def test_a_method_that_finds_nothing_is_shown(tmp_path):
    class Nothing(Colours):
        def predict(self, image):
            return []

    data = write_data(tmp_path / "data")
    results = run(
        benchmark(data, tmp_path / "out", [Nothing("nothing"), Colours()], ["experts.json"]), silent
    )
    assert results.methods[0].figures["mIoU"].value == 0
    assert "nothing" in (tmp_path / "out/report.html").read_text("utf-8")


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}'])
def test_other_files_are_no_results(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(OutputError, match="format 1, found something else"):
        read_results(tmp_path / "results.json")


# -- the command


@pytest.fixture
def loaded(monkeypatch):
    """Models are the stand-in."""
    monkeypatch.setattr(registry, "load_model", lambda name, device: ColourModel())
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="cs3 benchmark")


def test_the_command(loaded, tmp_path):
    data = two_experts(tmp_path / "data")
    out = tmp_path / "out"
    options = ("--images", data / "images", "--out", out, "--resamples", 100, "--device", "cpu")
    chosen = ("--until", "2023-01-02", "--experts", "experts", "--methods", "cs3,cs3:to-S1")
    done = call(f"{data / 'experts.json'},{data / 'second.json'}", *options, *chosen)
    assert done.exit_code == 0, done.output
    results = read_results(out / "results.json")
    assert [one.name for one in results.methods] == ["cs3", "cs3:to-S1"]
    assert [one.name for one in results.experts] == ["experts"]
    assert [one.file_name for one in results.images] == ["2023-01-01.png", "2023-01-02.png"]
    assert (out / "results.md").read_text("utf-8") in done.stdout
    assert "[4/4] cs3:to-S1" in done.stderr
    names = [".cs3", "predictions", "report.html", "results.csv", "results.json", "results.md"]
    assert sorted(path.name for path in out.iterdir()) == names
    again = call(data / "experts.json", *options)
    assert again.exit_code == 2
    assert "add --resume" in again.stderr
    assert call(data / "experts.json", *options, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--images": "nowhere"}, "nowhere"),
        ({"--out": "data"}, "add --resume"),
        ({"--after": "2024-01-01"}, "check the filters"),
        ({"--config": "missing.toml"}, "missing.toml"),
        ({"--methods": "resnet"}, "there is no method 'resnet'"),
        ({"--experts": "nobody"}, "any of the experts experts"),
        ({"--list": "missing.txt"}, "missing.txt"),
        ({"--limit": "0"}, "--limit"),
        ({"--until": "yesterday"}, "--until"),
    ],
)
def test_wrong_use_is_two_and_leaves_nothing(loaded, tmp_path, monkeypatch, change, message):
    write_data(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    options = {"--images": "data/images", "--out": "out"} | change
    done = call("data/experts.json", *(item for pair in options.items() for item in pair))
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_predictions_that_do_not_fit_are_refused_by_name(tmp_path):
    data = write_data(tmp_path / "data")
    document = json.loads((data / "experts.json").read_text())
    document["images"][0]["file_name"] = "stranger.png"
    (tmp_path / "theirs.json").write_text(json.dumps(document))
    options = ("--images", data / "images", "--out", tmp_path / "out", "--device", "cpu")
    done = call(data / "experts.json", *options, "--methods", f"theirs={tmp_path / 'theirs.json'}")
    assert done.exit_code == 2
    assert "theirs.json: expected images that" in done.stderr
    assert "'stranger.png'" in done.stderr
    assert not (tmp_path / "out").exists()
