"""The whole service as its users start it: processes, the model that ships, and a hand that kills them."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from service.schemas import Segmentation

EXAMPLE = Path(__file__).parents[2] / "cascade" / "examples" / "papanicolaou.png"
FIELD = (60, 40, 380, 300)  # a part of it with whole sperm, left, upper, right, lower: minutes are precious
CONFIG = {"preprocess": {"head_length_px": 49}}  # which a part with few heads does not tell
PATIENCE = 240  # seconds for what takes seconds on a machine that is not busy


def field():
    """A part of the example, as a file."""
    content = io.BytesIO()
    Image.open(EXAMPLE).convert("RGB").crop(FIELD).save(content, "PNG")
    return content.getvalue()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children(pid):
    """Command lines of a process's children by process id."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if parent == pid:
            found[int(status.parent.name)] = command
    return found


class Running:
    """A service that was started by `cs3 service start`."""

    def __init__(self, data):
        self.port = free_port()
        self.variables = os.environ | {
            "CS3_SERVICE_DATA": str(data),
            "CS3_SERVICE_LEASE_SECONDS": "5",
            "CS3_SERVICE_WORKER_THREADS": "1",
            "CS3_SERVICE_ANSWER_TIMEOUT": str(PATIENCE),
        }
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE)
        self.start()

    def start(self):
        command = [sys.executable, "-m", "service", "start", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=self.variables, stderr=subprocess.PIPE, text=True)

    def wait(self, address="/v2/health/ready"):
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if self.client.get(address).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise TimeoutError(address)

    def child(self, kind):
        return next(
            pid for pid, command in children(self.process.pid).items() if f"service {kind}" in command
        )

    def end(self):
        self.process.terminate()
        return self.process.communicate(timeout=60)[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    service = Running(tmp_path_factory.mktemp("service"))
    yield service
    service.client.close()
    log = service.end()
    assert "Traceback" not in log, log
    assert service.process.returncode == 0


def submit(running, count):
    files = [("images", (f"{n}.png", field())) for n in range(count)]
    answer = running.client.post("/v1/jobs", files=files, data={"config": json.dumps(CONFIG)})
    assert answer.status_code == 202
    return answer.json()["id"]


def ended(running, job_id):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            job = running.client.get(f"/v1/jobs/{job_id}").json()
            if job["finished_at"] is not None:
                return job
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise TimeoutError(job_id)


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_a_smear_is_segmented_as_by_the_library(running):
    running.wait()
    answer = running.client.post(
        "/v1/segmentations", files={"image": field()}, data={"config": json.dumps(CONFIG)}
    )
    assert answer.status_code == 200
    found = Segmentation.model_validate(answer.json())
    from cascade import CS3Config, load_model, segment

    pixels = np.array(Image.open(io.BytesIO(field())))
    expected = segment(pixels, model=load_model("tiny", "cpu"), config=CS3Config.parse(CONFIG))
    assert any(sperm.complete for sperm in expected.sperm)
    assert [one.complete for one in found.sperm] == [one.complete for one in expected.sperm]
    assert [sum(part.area_px2 for part in one.parts) for one in found.sperm] == [
        sum(part.region.area for part in (one.head, one.tail) if part is not None) for one in expected.sperm
    ]
    assert found.model.sha256 == expected.model_sha256


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a machine that is busy with other things
def test_killed_processes_lose_nothing_and_do_nothing_twice(running):
    """The worker is killed over an image, then the API, then everything; the job ends all the same."""
    running.wait()
    job_id = submit(running, 3)
    until = time.monotonic() + PATIENCE
    while running.client.get(f"/v1/jobs/{job_id}").json()["counts"]["running"] == 0:
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(running.child("worker"), signal.SIGKILL)
    time.sleep(0.5)
    os.kill(running.child("api"), signal.SIGKILL)
    running.wait()
    os.kill(running.process.pid, signal.SIGKILL)  # the supervisor itself; its children follow
    running.process.communicate()
    time.sleep(2)
    running.start()
    job = ended(running, job_id)
    assert (job["state"], job["counts"]["succeeded"]) == ("succeeded", 3)
    lines = [json.loads(line) for line in running.client.get(f"/v1/jobs/{job_id}/results").text.splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert len({json.dumps(line["sperm"]) for line in lines}) == 1  # the same picture, the same result
    events = running.client.get(f"/v1/jobs/{job_id}/events").text
    assert events.count('"state":"succeeded"') == 3 + 1  # each image once, and the job


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["api", "worker"])
def test_a_process_whose_supervisor_was_gone_before_it_began_ends(tmp_path, kind):
    variables = os.environ | {"CS3_SERVICE_DATA": str(tmp_path), "CS3_SERVICE_PORT": str(free_port())}
    command = [sys.executable, "-m", "service", kind, "--parent", "1"]
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert "Traceback" not in done.stderr
