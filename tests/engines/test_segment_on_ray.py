"""`cs3 segment --engine ray` as its users run it: with the model that ships, on a Ray of its own."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fields import CONFIG, write_fields
from processes import family, listening

from cascade.batch import ANNOTATIONS, TABLE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray")]
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
PATIENCE = 240  # seconds for what takes seconds on a machine that is not busy


@pytest.fixture
def fields(tmp_path):
    folder = write_fields(tmp_path / "fields")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def start(fields, out, *options):
    configuration = fields.with_suffix(".toml")
    lines = [
        f"[{stage}]\n{name} = {value}\n" for stage, each in CONFIG.items() for name, value in each.items()
    ]
    configuration.write_text("".join(lines))
    code = f"import os; os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[:2]}); "
    code += "from cascade.cli import main; main()"
    arguments = ["segment", fields, "--out", out, "--config", configuration, *options]
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def found_in(out):
    """Names of the overlays, how many parts, and of every row of the table its words and its numbers."""
    with (out / TABLE).open(encoding="utf-8", newline="") as file:
        rows = [[_value(text) for text in row] for row in csv.reader(file)]
    names = sorted(file.name for file in out.glob("overlays/*"))
    return names, len(json.loads((out / ANNOTATIONS).read_text("utf-8"))["annotations"]), rows


def words(row):
    return [value if isinstance(value, str) else "" for value in row]


def numbers(row):
    return [value for value in row if not isinstance(value, str)]


def _value(text):
    try:
        return float(text)
    except ValueError:
        return text


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
def test_cut_off_and_resumed_it_finds_what_the_local_engine_finds(fields, tmp_path):
    kept = set(Path("/tmp").glob("cs3-ray-*"))
    running = start(fields, tmp_path / "ray", "--engine", "ray")
    until = time.monotonic() + PATIENCE
    while not list((tmp_path / "ray").glob("overlays/*.png")):
        assert running.poll() is None, running.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.1)
    ours = family(running.pid)
    where = listening(ours)
    assert where
    assert where <= LOOPBACK
    os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C does
    output, _ = running.communicate(timeout=60)
    assert "Traceback" not in output
    assert running.returncode == 130, output
    assert not [pid for pid in ours if Path(f"/proc/{pid}").exists()]
    assert set(Path("/tmp").glob("cs3-ray-*")) <= kept

    resumed = start(fields, tmp_path / "ray", "--engine", "ray", "--resume")
    output, _ = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 1, output  # for the broken one
    assert "of these from the earlier run" in output
    local = start(fields, tmp_path / "local")
    output, _ = local.communicate(timeout=PATIENCE)
    assert local.returncode == 1, output
    overlays, parts, table = found_in(tmp_path / "ray")
    usual = found_in(tmp_path / "local")
    assert len(overlays) == 4
    assert (overlays, parts, len(table)) == (*usual[:2], len(usual[2]))
    for row, want in zip(table, usual[2], strict=True):
        # Sums over another number of threads may end in other digits.
        assert words(row) == words(want)
        assert numbers(row) == pytest.approx(numbers(want), rel=0.02, abs=0.02)
