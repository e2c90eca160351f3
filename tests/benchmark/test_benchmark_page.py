"""docs/benchmark.md: its example works as it stands, and what is generated in it is current."""

import json
import re
import runpy
from pathlib import Path

import pytest
from drawn_smears import write_data
from typer.testing import CliRunner

from cascade.benchmark.commands import app

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "benchmark.md"


def test_the_example_takes_part(tmp_path, monkeypatch):
    data = write_data(tmp_path / "data", days=["2023-01-01", "2023-01-02"])
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(code.splitlines()) < 60
    (tmp_path / "dark.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    options = [
        "--images",
        str(data / "images"),
        "--methods",
        "dark.py:load",
        "--out",
        "out",
        "--device",
        "cpu",
    ]
    done = CliRunner().invoke(app, [str(data / "experts.json"), *options, "--resamples", "100"])
    assert done.exit_code == 0, done.output
    (method,) = json.loads(Path("out/results.json").read_text("utf-8"))["methods"]
    assert method["name"] == "dark"
    assert method["figures"]["head IoU"]["value"] > 0.5
    assert method["failures"] == {}


def test_the_schema_is_current():
    script = runpy.run_path(str(DOCS / "make_benchmark.py"))
    page = PAGE.read_text("utf-8")
    advice = "run: python docs/make_benchmark.py"
    assert (DOCS / "results.schema.json").read_text("utf-8") == script["schema_text"](), advice
    assert page == script["renewed"](page), advice


def test_a_page_without_marks_is_refused():
    script = runpy.run_path(str(DOCS / "make_benchmark.py"))
    with pytest.raises(ValueError, match="found not both"):
        script["renewed"]("# no marks\n")
