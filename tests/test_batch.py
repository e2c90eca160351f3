import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import standin
import tifffile
from PIL import Image
from pycocotools import mask as rle

import cascade
from cascade import batch, environment
from cascade.batch import ANNOTATIONS, REPORT, TABLE, Entry, Job, Watcher
from cascade.engines.protocol import Loaded, LocalEngine
from cascade.errors import OutputError
from cascade.exports.atomic import TEMPORARY
from cascade.inputs import find_inputs
from cascade.looks import WEIGHTS
from cascade.outputs import PictureFiles
from cascade.progress import noted
from cascade.sam.checkpoints import sha256_of
from cascade.types import Note

SETTINGS = {"configuration": {"heads": {"rounds": 3}}}


def job(inputs, out, **options):
    loaded = Loaded(
        "stand-in", options.pop("model_sha256", "f" * 64), options.pop("segment", standin.segment)
    )
    defaults = {"engine": LocalEngine(loaded), "measure": standin.measure} | SETTINGS
    return Job(inputs=find_inputs(inputs), out=out, **(defaults | options))


def finals(out):
    return {name: (out / name).read_bytes() for name in (ANNOTATIONS, TABLE)}


def visible(out):
    return sorted(
        p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and ".cs3" not in p.parts
    )


class Calls:
    """A segmenter that counts and may fail on the way."""

    def __init__(self, fail_at=None, error=None):
        self.count, self.fail_at, self.error = 0, fail_at, error

    def __call__(self, pixels, pixel_size):
        if self.count == self.fail_at:
            raise self.error
        self.count += 1
        return standin.segment(pixels, pixel_size)


@pytest.fixture
def smears(tmp_path):
    standin.write_smears(tmp_path / "smears", 6)
    return tmp_path / "smears"


def test_run_writes_what_is_documented(smears, tmp_path):
    out = tmp_path / "out"
    entries = batch.run(job([smears], out))
    assert [entry.sperm for entry in entries] == [0, 1, 2, 3, 0, 1]
    assert visible(out) == [
        ANNOTATIONS,
        *(f"overlays/smear-{i:02d}.png.png" for i in range(6)),
        REPORT,
        TABLE,
    ]
    document = json.loads((out / ANNOTATIONS).read_text())
    assert [image["file_name"] for image in document["images"]] == [f"smear-{i:02d}.png" for i in range(6)]
    assert len({a["id"] for a in document["annotations"]}) == len(document["annotations"]) == 14
    first = document["annotations"][0]
    assert (first["image_id"], rle.area(first["segmentation"])) == (2, 24)
    rows = list(csv.DictReader((out / TABLE).read_text().splitlines()))
    assert [(row["file_name"], row["sperm_id"]) for row in rows[:2]] == [
        ("smear-01.png", "1"),
        ("smear-02.png", "1"),
    ]
    assert rows[0]["head_area_px2"] == "24"


def test_run_json_tells_how_it_went(smears, tmp_path):
    batch.run(job([smears], tmp_path / "out", pixel_size=0.1))
    report = json.loads((tmp_path / "out" / REPORT).read_text())
    assert (report["model"], report["model_sha256"]) == ("stand-in", "f" * 64)
    assert report["looks_sha256"] == sha256_of(WEIGHTS)
    assert report["configuration"] == {"heads": {"rounds": 3}}
    assert {"cs3", "python", "numpy"} <= set(report["versions"])
    assert report["peak_memory_bytes"] > 2**20
    image = report["images"][1]
    assert image["file_name"] == "smear-01.png"
    assert image["seconds"] >= 0
    assert set(image["stages"]) == {"read", "heads", "measure"}
    assert (image["sperm"], image["complete"], image["error"]) == (1, 1, None)
    assert (image["head_length_px"], image["head_length_source"]) == (6.0, "measured")
    assert (image["width"], image["height"], image["pixel_size_um"]) == (60, 40, 0.1)


def test_notes_are_in_run_json_and_in_what_is_said_at_the_end(smears, tmp_path):
    faint = Note("faint", "faint: tails hardly stand out; stain longer")

    def segment(pixels, pixel_size):
        result = standin.segment(pixels, pixel_size)
        return replace(result, notes=(faint,) if len(result.sperm) == 1 else ())

    entries = batch.run(job([smears], tmp_path / "out", segment=segment))
    count = sum(entry.sperm == 1 for entry in entries)
    assert 0 < count < len(entries)
    report = json.loads((tmp_path / "out" / REPORT).read_text())
    assert [image["notes"] for image in report["images"]] == [
        [asdict(faint)] if image["sperm"] == 1 else [] for image in report["images"]
    ]
    assert noted(entries) == [f"{count} of {len(entries)} pictures: {faint.text} (run.json says which)"]
    again = batch.run(job([smears], tmp_path / "out", segment=segment, resume=True))
    assert [(entry.reused, entry.notes) for entry in again] == [(True, one.notes) for one in entries]


def test_folder_without_sperm_is_an_empty_result(tmp_path):
    Image.fromarray(standin.smear(0)).save(tmp_path / "blank.png")
    (entry,) = batch.run(job([tmp_path / "blank.png"], tmp_path / "out"))
    assert entry.error is None
    assert json.loads((tmp_path / "out" / ANNOTATIONS).read_text())["annotations"] == []
    assert (tmp_path / "out" / TABLE).read_text() == "file_name,sperm_id,score,complete\n"


def test_bad_images_never_stop_the_others(smears, tmp_path):
    (smears / "aaa.png").write_bytes(b"")
    (smears / "smear-02a.jpg").write_bytes(b"no image")
    entries = batch.run(job([smears], tmp_path / "out"))
    failed = {entry.file_name: entry.error for entry in entries if entry.error}
    assert set(failed) == {"aaa.png", "smear-02a.jpg"}
    assert "empty file" in failed["aaa.png"]
    report = json.loads((tmp_path / "out" / REPORT).read_text())["images"]
    assert [image["file_name"] for image in report if image["error"]] == ["aaa.png", "smear-02a.jpg"]
    assert len(json.loads((tmp_path / "out" / ANNOTATIONS).read_text())["images"]) == 6


@pytest.mark.parametrize("error", [ValueError("no axis"), MemoryError(), RuntimeError("CUDA out of memory")])
def test_unforeseen_error_fails_its_picture_alone_and_can_be_looked_up(smears, tmp_path, error):
    segment = Calls(fail_at=2, error=error)

    def once(pixels, pixel_size):
        try:
            return segment(pixels, pixel_size)
        except type(error):
            segment.fail_at = None
            raise

    entries = batch.run(job([smears], tmp_path / "out", segment=once))
    (failed,) = [entry for entry in entries if entry.error]
    assert failed.file_name == "smear-02.png"
    assert type(error).__name__ in failed.error
    (details,) = (tmp_path / "out" / ".cs3" / "errors").iterdir()
    assert "Traceback" in details.read_text()
    again = Calls()
    entries = batch.run(job([smears], tmp_path / "out", segment=again, resume=True))
    assert (again.count, [entry.error for entry in entries]) == (1, [None] * 6)


def test_every_page_of_a_stack_is_an_image(tmp_path):
    stack = np.stack([standin.smear(n) for n in (1, 0, 2)])
    tifffile.imwrite(
        tmp_path / "stack.tif", stack, photometric="rgb", resolution=(1e5, 1e5), resolutionunit="CENTIMETER"
    )
    entries = batch.run(job([tmp_path / "stack.tif"], tmp_path / "out"))
    assert [(e.file_name, e.sperm, e.pixel_size_um) for e in entries] == [
        ("stack.tif#page=1", 1, 0.1),
        ("stack.tif#page=2", 0, 0.1),
        ("stack.tif#page=3", 2, 0.1),
    ]
    assert (tmp_path / "out/overlays/stack.tif#page=3.png").exists()


def test_colliding_names(tmp_path):
    for folder, blocks in (("mon", 1), ("tue", 2)):
        (tmp_path / "in" / folder).mkdir(parents=True)
        Image.fromarray(standin.smear(blocks)).save(tmp_path / "in" / folder / "a.png")
    entries = batch.run(job([tmp_path / "in"], tmp_path / "out", files=frozenset({"overlay", "geojson"})))
    assert [(e.file_name, e.sperm) for e in entries] == [("mon/a.png", 1), ("tue/a.png", 2)]
    assert (tmp_path / "out/overlays/mon/a.png.png").exists()
    assert len(json.loads((tmp_path / "out/geojson/tue/a.png.geojson").read_text())["features"]) == 4


def test_same_picture_under_two_names_is_segmented_once(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(standin.smear(1)).save(tmp_path / name)
    segment = Calls()
    entries = batch.run(job([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out", segment=segment))
    assert segment.count == 1
    assert [entry.sperm for entry in entries] == [1, 1]
    assert (tmp_path / "out/overlays/b.png.png").exists()


def test_memory_stays_flat(smears, tmp_path):
    alive = weakref.WeakSet()
    most = 0

    def segment(pixels, pixel_size):
        result = standin.segment(pixels, pixel_size)
        alive.add(result)
        return result

    class Counting(Watcher):
        def end(self, entry):
            nonlocal most
            most = max(most, len(alive))

    batch.run(job([smears], tmp_path / "out", segment=segment), Counting())
    assert most <= 1


def test_watcher_hears_of_every_picture_and_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([standin.smear(1)] * 2), photometric="rgb")
    (tmp_path / "b.png").touch()
    heard = []

    class Listening(Watcher):
        def begin(self, name):
            heard.append(name)

        def end(self, entry):
            heard.append(entry.error is None)

        def advance(self):
            heard.append("file")

    batch.run(job([tmp_path / "a.tif", tmp_path / "b.png"], tmp_path / "out"), Listening())
    assert heard == ["a.tif#page=1", True, "a.tif#page=2", True, "file", "b.png", False, "file"]


# -- the folder for the results


@pytest.mark.parametrize("resume", [False, True])
def test_new_and_empty_folders_are_fine(tmp_path, resume):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        batch.check_out(tmp_path / name, resume)


def test_folder_in_use_is_refused(tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(OutputError, match="--resume"):
        batch.check_out(tmp_path, resume=False)
    with pytest.raises(OutputError, match="expected the folder of an earlier run"):
        batch.check_out(tmp_path, resume=True)
    with pytest.raises(OutputError, match="found a file"):
        batch.check_out(tmp_path / "thesis.docx", resume=False)
    with pytest.raises(OutputError, match="found a file"):
        batch.check_out(tmp_path / "thesis.docx" / "out", resume=False)


def test_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="writable"):
        batch.check_out(tmp_path / "out", resume=False)


def test_disk_full_stops_the_run_keeps_what_is_done_and_leaves_no_part(smears, tmp_path, monkeypatch):
    out, written = tmp_path / "out", 0
    real = os.fsync

    def fill(descriptor):
        nonlocal written
        written += 1
        if written > 20:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(OutputError, match="disk is full"):
        batch.run(job([smears], out))
    assert not list(out.rglob(f"*{TEMPORARY}"))
    assert not (out / REPORT).exists()
    monkeypatch.undo()
    segment = Calls()
    batch.run(job([smears], out, segment=segment, resume=True))
    assert 0 < segment.count < 6
    batch.run(job([smears], tmp_path / "other"))
    assert finals(out) == finals(tmp_path / "other")


# -- going on


def test_resumed_run_segments_only_what_is_new(smears, tmp_path):
    out = tmp_path / "out"
    batch.run(job([smears], out))
    before = finals(out)
    segment = Calls()
    entries = batch.run(job([smears], out, segment=segment, resume=True))
    assert segment.count == 0
    assert all(entry.reused for entry in entries)
    assert finals(out) == before
    Image.fromarray(standin.smear(5)).save(smears / "smear-03.png")
    entries = batch.run(job([smears], out, segment=segment, resume=True))
    assert segment.count == 1
    assert [entry.sperm for entry in entries] == [0, 1, 2, 5, 0, 1]


@pytest.mark.parametrize(
    "change", [{"configuration": {"heads": {"rounds": 4}}}, {"model_sha256": "0"}, {"pixel_size": 1.0}]
)
def test_other_settings_segment_again(smears, tmp_path, change):
    batch.run(job([smears], tmp_path / "out"))
    segment = Calls()
    batch.run(job([smears], tmp_path / "out", segment=segment, resume=True, **change))
    assert segment.count == 6


def test_other_code_segments_again(smears, tmp_path, monkeypatch):
    batch.run(job([smears], tmp_path / "out"))
    monkeypatch.setattr(batch.environment, "code_sha256", lambda: "other")
    segment = Calls()
    batch.run(job([smears], tmp_path / "out", segment=segment, resume=True))
    assert segment.count == 6


@pytest.mark.parametrize("module", ["pipeline.py", "sam/colours.py", "looks/image.py", "exports/coco.py"])
def test_the_code_of_every_stage_counts(tmp_path, monkeypatch, module):
    package = tmp_path / "cascade"
    shutil.copytree(Path(cascade.__file__).parent, package, ignore=shutil.ignore_patterns("*.safetensors"))
    monkeypatch.setattr(environment, "_PACKAGE", package)
    before = environment.code_sha256.__wrapped__()
    (package / module).write_text((package / module).read_text("utf-8") + "# changed\n", encoding="utf-8")
    assert environment.code_sha256.__wrapped__() != before


def test_another_judge_segments_again(smears, tmp_path, monkeypatch):
    batch.run(job([smears], tmp_path / "out"))
    (tmp_path / "judge").write_bytes(b"other weights")
    monkeypatch.setattr(batch, "LOOKS", tmp_path / "judge")
    segment = Calls()
    batch.run(job([smears], tmp_path / "out", segment=segment, resume=True))
    assert segment.count == 6


def test_further_exports_come_from_the_records(smears, tmp_path):
    batch.run(job([smears], tmp_path / "out", files=frozenset()))
    assert not (tmp_path / "out/overlays").exists()
    segment = Calls()
    batch.run(job([smears], tmp_path / "out", segment=segment, resume=True, files=PictureFiles.KINDS))
    assert segment.count == 0
    for pattern in ("overlays/*.png", "geojson/*.geojson", "imagej/*.zip", "labels/*.tif"):
        assert len(list((tmp_path / "out").glob(pattern))) == 6


def test_files_of_other_settings_do_not_stay(smears, tmp_path):
    def moved(pixels, pixel_size):
        return standin.segment(np.roll(pixels, 2, axis=0), pixel_size)

    out, other = tmp_path / "out", {"configuration": {"heads": {"rounds": 4}}}
    batch.run(job([smears], out))
    first = (out / "overlays/smear-01.png.png").read_bytes()
    batch.run(job([smears], out, resume=True, segment=moved, **other))
    assert (out / "overlays/smear-01.png.png").read_bytes() != first
    batch.run(job([smears], out, resume=True))
    assert (out / "overlays/smear-01.png.png").read_bytes() == first
    batch.run(job([smears], out, resume=True, segment=moved, files=frozenset(), **other))
    assert not (out / "overlays/smear-01.png.png").exists()


def test_overlay_that_was_deleted_is_drawn_again(smears, tmp_path):
    batch.run(job([smears], tmp_path / "out"))
    (tmp_path / "out/overlays/smear-01.png.png").unlink()
    batch.run(job([smears], tmp_path / "out", resume=True))
    assert (tmp_path / "out/overlays/smear-01.png.png").exists()


def test_record_that_vanishes_while_it_runs_is_an_output_error(smears, tmp_path):
    class Deleting(Watcher):
        def end(self, entry):
            for path in (tmp_path / "out/.cs3/records").iterdir():
                path.unlink()

    with pytest.raises(OutputError, match="removed or damaged meanwhile"):
        batch.run(job([smears], tmp_path / "out"), Deleting())


SLOW_RUN = """
import sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import standin
from test_batch import batch, job
def slow(pixels, pixel_size):
    time.sleep(0.05)
    return standin.segment(pixels, pixel_size)
batch.run(job([{smears!r}], __import__("pathlib").Path({out!r}), segment=slow, resume=True))
"""


def test_killed_run_leaves_nothing_half_written_and_is_finished_by_the_next(tmp_path):
    smears, out, whole = tmp_path / "smears", tmp_path / "out", tmp_path / "whole"
    standin.write_smears(smears, 16)
    tests = Path(__file__).parent
    code = SLOW_RUN.format(root=str(tests.parent), tests=str(tests), smears=str(smears), out=str(out))
    running = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list(out.glob(".cs3/records/*.gz"))) < 5:
        assert running.poll() is None, running.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stderr.close()
    assert not {ANNOTATIONS, TABLE, REPORT} & set(visible(out))
    for path in (out / "overlays").glob("*.png"):
        with Image.open(path) as picture:
            picture.load()

    segment = Calls()
    batch.run(job([smears], out, segment=segment, resume=True))
    assert 0 < segment.count <= 11
    batch.run(job([smears], whole))
    assert visible(out) == visible(whole)
    assert all((out / n).read_bytes() == (whole / n).read_bytes() for n in visible(whole) if n != REPORT)
    assert not list(out.rglob(f"*{TEMPORARY}"))


def test_entry_of_run_json_has_the_documented_fields():
    assert list(Entry("a").__dataclass_fields__)[:5] == ["file_name", "seconds", "stages", "sperm", "error"]
