"""What the API process says on the wire before any application hears of it."""

import json
import os
import re
import socket
import subprocess
import sys
import time

import httpx
import pytest


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Of an API that runs alone; it is not ready, but answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    variables = {"CS3_SERVICE_DATA": str(tmp_path_factory.mktemp("data")), "CS3_SERVICE_PORT": str(free)}
    command = [sys.executable, "-m", "service", "api"]
    process = subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            httpx.get(f"http://127.0.0.1:{free}/v2/health/live").raise_for_status()
            break
        except httpx.TransportError:
            time.sleep(0.1)
    yield free
    process.terminate()
    process.wait(30)


def said(port, *pieces):
    """Status and body of the answer to these bytes."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        for piece in pieces:
            wire.sendall(piece)
        while more := wire.recv(65536):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return int(re.match(rb"HTTP/1.1 (\d+)", head)[1]), head.lower(), json.loads(body)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem(port, content):
    status, head, problem = said(port, content)
    assert (status, problem["status"]) == (400, 400)
    assert b"content-type: application/problem+json" in head
    assert problem["action"]


@pytest.mark.slow
def test_heads_without_end_are_refused(port):
    begun = b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    status, _, problem = said(port, begun, *[b"y" * 16384] * 40)
    assert (status, problem["type"]) == (431, "urn:cs3:problem:too-large")


@pytest.mark.slow
def test_heads_that_stop_are_given_up(port):
    status, _, problem = said(port, b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert (status, problem["type"]) == (408, "urn:cs3:problem:too-slow")
