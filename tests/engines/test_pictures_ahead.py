"""Engines that have several pictures in hand: the run's results stay in the order of its inputs."""

import json
import threading
from concurrent.futures import Future

import pytest
import standin

from cascade import batch
from cascade.batch import ANNOTATIONS, REPORT, TABLE, Job
from cascade.engines.protocol import EngineLostError, Loaded, LocalEngine
from cascade.errors import ImageError
from cascade.inputs import find_inputs


class Late:
    """Answers only when nothing more is handed to it for a while, the last first."""

    model, model_sha256 = "stand-in", "f" * 64

    def __init__(self, slots, lost_after=None):
        self.slots, self.most, self.asked = slots, 0, 0
        self._lost_after = lost_after
        self._waiting = []
        self._lock = threading.Lock()
        self._timer = None

    def submit(self, pixels, pixel_size):
        if self._lost_after is not None and self.asked == self._lost_after:
            raise EngineLostError("gone")
        future = Future()
        with self._lock:
            self.asked += 1
            self._waiting.append((future, pixels))
            self.most = max(self.most, len(self._waiting))
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(0.1, self._answer)
            self._timer.start()
        return future

    def _answer(self):
        with self._lock:
            waiting, self._waiting = self._waiting[::-1], []
        for future, pixels in waiting:
            if (pixels[-1, -1] == 205).all():
                future.set_exception(ImageError("expected a smear, found the sixth"))
            else:
                future.set_result(standin.segment(pixels))

    def close(self):
        if self._timer is not None:
            self._timer.join()


@pytest.fixture
def smears(tmp_path):
    standin.write_smears(tmp_path / "smears", 20)
    (tmp_path / "smears" / "smear-07b.png").write_bytes(b"no picture")
    (tmp_path / "smears" / "smear-08b.png").write_bytes((tmp_path / "smears" / "smear-08.png").read_bytes())
    return tmp_path / "smears"


def run(engine, smears, out, **options):
    job = Job(find_inputs([smears]), out, engine, standin.measure, {}, **options)
    try:
        return batch.run(job)
    finally:
        engine.close()


def segment(pixels, pixel_size):
    if (pixels[-1, -1] == 205).all():
        raise ImageError("expected a smear, found the sixth")
    return standin.segment(pixels, pixel_size)


def test_results_are_those_of_one_after_the_other(smears, tmp_path):
    engine = Late(slots=2)
    entries = run(engine, smears, tmp_path / "late")
    assert run(LocalEngine(Loaded("stand-in", "f" * 64, segment)), smears, tmp_path / "local")
    for name in (ANNOTATIONS, TABLE):
        assert (tmp_path / "late" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()
    reports = [json.loads((tmp_path / out / REPORT).read_text())["images"] for out in ("late", "local")]
    fields = ("file_name", "error", "reused", "sperm")
    late, local = ([[one[field] for field in fields] for one in report] for report in reports)
    assert late == local
    assert [entry.file_name for entry in entries if entry.error] == ["smear-05.png", "smear-07b.png"]
    assert 2 <= engine.most <= 3 * engine.slots + 1
    assert engine.asked == 20  # the same picture was not asked for twice


def test_an_engine_that_is_lost_keeps_what_was_done(smears, tmp_path):
    with pytest.raises(EngineLostError):
        run(Late(slots=2, lost_after=12), smears, tmp_path / "out")
    assert not (tmp_path / "out" / REPORT).exists()
    entries = run(Late(slots=2), smears, tmp_path / "out", resume=True)
    assert len(entries) == 22
    assert 1 <= sum(entry.reused for entry in entries) <= 12
