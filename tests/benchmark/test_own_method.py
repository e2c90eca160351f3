"""The example of a method of one's own in docs/benchmark.md works as it stands."""

import json
import re
from pathlib import Path

from drawn_smears import write_data
from typer.testing import CliRunner

from cascade.benchmark.commands import app

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"


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
        "dark.py:Dark",
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
