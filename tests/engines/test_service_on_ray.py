"""`cs3 service start` with its work on a cluster, the model that ships, and a hand that kills an actor."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fields import CONFIG, write_fields

from service.client import Client

pytestmark = pytest.mark.slow
PATIENCE = 240  # seconds for what takes seconds on a machine that is not busy


def actors_at_work():
    """Ray names its processes after what they do."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if command.read_text().startswith("ray::Segmenter.work"):
                found.append(int(command.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
def client(cluster, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = {"CS3_ENGINE": cluster.address, "CS3_SERVICE_DATA": str(tmp_path / "data")}
    command = [sys.executable, "-m", "service", "start", "--port", port]
    service = subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.PIPE, text=True)
    with Client(f"http://127.0.0.1:{port}") as client:
        until = time.monotonic() + PATIENCE
        while not ready(port):
            assert time.monotonic() < until
            assert service.poll() is None
            time.sleep(0.2)
        yield client
    service.terminate()
    _, log = service.communicate(timeout=60)
    assert service.returncode == 0, log
    assert "Traceback" not in log, log
    assert not actors_at_work()


def ready(port):
    import httpx

    try:
        return httpx.get(f"http://127.0.0.1:{port}/v2/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_an_actor_that_is_killed_costs_no_image(client, tmp_path):
    fields = write_fields(tmp_path / "fields")
    job = client.submit(fields, config=CONFIG)
    until = time.monotonic() + PATIENCE
    while not (victims := actors_at_work()):
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(victims[0], signal.SIGKILL)
    answers = list(job.results())
    assert len(answers) == 4
    assert all(answer.sperm for answer in answers)
    assert job.status().state == "succeeded"
