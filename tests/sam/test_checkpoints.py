"""Fetching against a real HTTP server on this machine that misbehaves on demand."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cascade.errors import ModelError
from cascade.sam import checkpoints, commands, download, registry
from cascade.sam.checkpoints import Checkpoint, fetch, locate, state

CONTENT = random.Random(1).randbytes(100_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = 50_000


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    content: bytes = CONTENT
    knows_ranges: bool = True
    wrong_range: bool = False
    cut_after: int | None = None
    says_length: bool = True
    statuses: list[int] = field(default_factory=list)
    pause: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    sent: int = 0
    url: str = ""


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.asked.append(wanted)
            if site.statuses:
                self._empty(site.statuses.pop(0))
                return
            start = 0
            if wanted and site.knows_ranges:
                match = re.fullmatch(r"bytes=(\d+)-", wanted)
                assert match, wanted
                start = int(match[1])
                if start >= len(site.content):
                    self._empty(416)
                    return
            self._send(start)

        def _empty(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, start: int) -> None:
            body, total = site.content[start:], len(site.content)
            self.send_response(206 if start else 200)
            if start:
                first = start - 1 if site.wrong_range else start
                self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
            if site.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            body = body[: site.cut_after]
            for at in range(0, len(body), 8192):
                self.wfile.write(body[at : at + 8192])
                site.sent += len(body[at : at + 8192])
                time.sleep(site.pause)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def served() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    site.url = f"http://127.0.0.1:{server.server_port}/sam.pth"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def table_of(url: str, folder: Path) -> Iterator[Checkpoint]:
    """The table reduced to one small checkpoint, the cache to `folder`, the waiting to nothing."""
    checkpoint = Checkpoint("small", "sam_small.pth", len(CONTENT), SHA256, url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "CHECKPOINTS", {"small": checkpoint})
        patch.setattr(download, "FIRST_PAUSE_S", 0.0)
        patch.setenv("CS3_MODELS", str(folder))
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield checkpoint


@pytest.fixture
def site() -> Iterator[Site]:
    with served() as site:
        yield site


@pytest.fixture
def small(site: Site, tmp_path: Path) -> Iterator[Checkpoint]:
    (tmp_path / "models").mkdir()
    with table_of(site.url, tmp_path / "models") as checkpoint:
        yield checkpoint


def assert_gives_manual_steps(message: str, checkpoint: Checkpoint) -> None:
    for needed in (checkpoint.url, str(checkpoint.path), SHA256, "100,003 bytes"):
        assert needed in message


# --- downloads that succeed


def test_fetch_brings_the_whole_file_and_tells_how_far_it_is(small: Checkpoint, site: Site) -> None:
    told: list[tuple[int, int]] = []
    assert state("small") == "missing"
    path = fetch("small", lambda have, size: told.append((have, size)))
    assert path == small.path
    assert path.read_bytes() == CONTENT
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 2
    assert not small.part.exists()
    assert state("small") == "ready"


def test_a_whole_file_is_not_asked_for_again(small: Checkpoint, site: Site) -> None:
    fetch("small")
    fetch("small")
    assert site.asked == [None]


def test_a_partial_file_is_continued(small: Checkpoint, site: Site) -> None:
    small.part.write_bytes(CONTENT[:HALF])
    assert state("small") == "partial"
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [f"bytes={HALF}-"]
    assert site.sent == len(CONTENT) - HALF


def test_a_server_without_ranges_sends_all_again(small: Checkpoint, site: Site) -> None:
    site.knows_ranges = False
    small.part.write_bytes(CONTENT[:HALF])
    assert fetch("small").read_bytes() == CONTENT
    assert site.sent == len(CONTENT)


def test_a_server_that_sends_another_range_is_asked_from_the_start(small: Checkpoint, site: Site) -> None:
    site.wrong_range = True
    small.part.write_bytes(CONTENT[:HALF])
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [f"bytes={HALF}-", None]


def test_a_server_that_refuses_the_range_is_asked_from_the_start(small: Checkpoint, site: Site) -> None:
    site.statuses = [416]
    small.part.write_bytes(CONTENT[:HALF])
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [f"bytes={HALF}-", None]


def test_a_partial_file_larger_than_the_whole_is_dropped(small: Checkpoint, site: Site) -> None:
    small.part.write_bytes(CONTENT + b"more")
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [None]


def test_a_complete_partial_file_needs_no_server(small: Checkpoint, site: Site) -> None:
    small.part.write_bytes(CONTENT)
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == []


def test_a_wrong_beginning_is_noticed_and_fetched_anew(small: Checkpoint, site: Site) -> None:
    small.part.write_bytes(b"x" * HALF)
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [f"bytes={HALF}-", None]


def test_a_connection_that_keeps_breaking_is_taken_up_again(small: Checkpoint, site: Site) -> None:
    site.cut_after = 30_000
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]


def test_a_busy_server_is_asked_again(small: Checkpoint, site: Site) -> None:
    site.statuses = [503, 429]
    assert fetch("small").read_bytes() == CONTENT
    assert len(site.asked) == 3


@settings(deadline=None, max_examples=30)
@given(had=st.integers(0, len(CONTENT) + 9), cut=st.integers(12_000, len(CONTENT)), length=st.booleans())
def test_whatever_was_there_and_wherever_it_breaks_the_file_arrives(had: int, cut: int, length: bool) -> None:
    with served() as site, tempfile.TemporaryDirectory() as folder, table_of(site.url, Path(folder)) as small:
        site.cut_after, site.says_length = cut, length
        small.part.write_bytes((CONTENT + bytes(9))[:had])
        assert fetch("small").read_bytes() == CONTENT


# --- downloads that fail, and say what to do


def test_offline_gives_the_manual_steps_at_once(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/sam.pth"
        with table_of(url, tmp_path / "models") as small:
            with pytest.raises(ModelError, match="no connection to 127") as caught:
                fetch("small")
            assert_gives_manual_steps(str(caught.value), small)


def test_a_connection_that_breaks_for_good_keeps_what_came(small: Checkpoint, site: Site) -> None:
    site.knows_ranges, site.cut_after = False, 30_000
    with pytest.raises(ModelError, match="without progress") as caught:
        fetch("small")
    assert_gives_manual_steps(str(caught.value), small)
    assert small.part.read_bytes() == CONTENT[:30_000]
    assert not small.path.exists()


def test_other_bytes_are_refused(small: Checkpoint, site: Site) -> None:
    site.content = bytes(len(CONTENT))
    with pytest.raises(ModelError, match="not the published file") as caught:
        fetch("small")
    assert hashlib.sha256(site.content).hexdigest() in str(caught.value)
    assert_gives_manual_steps(str(caught.value), small)
    assert not small.path.exists()
    assert not small.part.exists()


def test_a_login_page_does_not_replace_a_partial_file(small: Checkpoint, site: Site) -> None:
    site.content, site.knows_ranges = b"<html>please log in</html>", False
    small.part.write_bytes(CONTENT[:HALF])
    with pytest.raises(ModelError, match="offers a file of 26 bytes instead of 100,003"):
        fetch("small")
    assert small.part.read_bytes() == CONTENT[:HALF]


def test_an_endless_body_is_cut_off(small: Checkpoint, site: Site) -> None:
    site.content, site.says_length = CONTENT * 3, False
    with pytest.raises(ModelError, match="more than the expected 100,003 bytes"):
        fetch("small")
    assert site.sent < len(site.content) or small.part.stat().st_size == 0


def test_a_missing_file_is_not_asked_for_again(small: Checkpoint, site: Site) -> None:
    site.statuses = [404]
    with pytest.raises(ModelError, match="404 Not Found"):
        fetch("small")
    assert site.asked == [None]


def test_an_unknown_name_is_told_the_known_ones(small: Checkpoint) -> None:
    with pytest.raises(ModelError, match=r"'vit_x'.*choose one of small"):
        fetch("vit_x")


def test_a_full_disk_is_noticed_before_the_download(
    small: Checkpoint, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(small.path.parent)._replace(free=70_000)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match=r"70,000 are free.*CS3_MODELS"):
        fetch("small")
    assert site.asked == []


def test_a_cache_folder_that_is_a_file_is_told(small: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    file = small.path.parent / "file"
    file.touch()
    monkeypatch.setenv("CS3_MODELS", str(file))
    with pytest.raises(ModelError, match=r"cannot keep small in .*file.*CS3_MODELS"):
        fetch("small")


# --- files in the cache


def test_a_missing_file_is_told_with_the_steps(small: Checkpoint) -> None:
    with pytest.raises(ModelError, match="cs3 models fetch small") as caught:
        locate("small")
    assert_gives_manual_steps(str(caught.value), small)


def test_a_file_put_there_by_hand_is_verified_once(
    small: Checkpoint, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.path.write_bytes(CONTENT)
    assert state("small") == "unverified"
    assert locate("small") == small.path
    assert state("small") == "ready"
    monkeypatch.setattr(checkpoints, "sha256_of", lambda _: pytest.fail("hashed again"))
    assert locate("small") == small.path
    assert fetch("small") == small.path
    assert site.asked == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (CONTENT[:HALF], "expected 100,003 bytes, found 50,000"),
        (b"x" + CONTENT[1:], f"expected sha256 {SHA256}, found"),
    ],
    ids=["truncated", "changed"],
)
def test_a_damaged_file_is_told_and_fetch_replaces_it(small: Checkpoint, damage: bytes, told: str) -> None:
    fetch("small")
    small.path.write_bytes(damage)
    os.utime(small.path, ns=(1, 1))
    assert state("small") != "ready"
    with pytest.raises(ModelError, match=told) as caught:
        locate("small")
    assert "cs3 models fetch small" in str(caught.value)
    assert fetch("small").read_bytes() == CONTENT
    assert state("small") == "ready"


def test_a_damaged_record_only_means_hashing_again(small: Checkpoint) -> None:
    fetch("small")
    for record in small.path.parent.glob("*.json"):
        record.write_text('["not", "a", "record"]')
    assert state("small") == "unverified"
    assert locate("small") == small.path
    assert state("small") == "ready"


def test_the_cache_is_in_the_users_cache_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CS3_MODELS", raising=False)
    assert checkpoints.cache_folder().name == "models"
    assert "cs3" in checkpoints.cache_folder().parts


def test_the_table_is_the_published_one() -> None:
    sizes = {name: checkpoint.size for name, checkpoint in checkpoints.CHECKPOINTS.items()}
    assert sizes == {"vit_b": 375_042_383, "vit_l": 1_249_524_607, "vit_h": 2_564_550_879}
    for checkpoint in checkpoints.CHECKPOINTS.values():
        assert re.fullmatch("[0-9a-f]{64}", checkpoint.sha256)
        assert checkpoint.url == f"https://dl.fbaipublicfiles.com/segment_anything/{checkpoint.file}"


# --- several processes


def start_fetching(small: Checkpoint) -> subprocess.Popen[bytes]:
    script = (
        "import sys\n"
        "from cascade.sam import checkpoints\n"
        "entry = checkpoints.Checkpoint('small', 'sam_small.pth', int(sys.argv[1]), *sys.argv[2:])\n"
        "checkpoints.CHECKPOINTS = {'small': entry}\n"
        "checkpoints.fetch('small')\n"
    )
    return subprocess.Popen([sys.executable, "-c", script, str(small.size), small.sha256, small.url])


def test_of_two_processes_one_downloads_and_both_have_it(small: Checkpoint, site: Site) -> None:
    site.pause = 0.1
    fetchers = [start_fetching(small), start_fetching(small)]
    assert [fetcher.wait(60) for fetcher in fetchers] == [0, 0]
    assert small.path.read_bytes() == CONTENT
    assert site.asked == [None]


def test_a_killed_process_leaves_a_download_to_continue(small: Checkpoint, site: Site) -> None:
    site.pause = 0.1
    fetcher = start_fetching(small)
    while not (small.part.exists() and small.part.stat().st_size):
        assert fetcher.poll() is None
        time.sleep(0.01)
    fetcher.kill()
    fetcher.wait(60)
    had = small.part.stat().st_size
    assert 0 < had < len(CONTENT)
    site.pause = 0.0
    assert fetch("small").read_bytes() == CONTENT
    assert site.asked == [None, f"bytes={had}-"]


# --- the command


def run(*arguments: str) -> Any:
    return CliRunner(env={"COLUMNS": "300"}).invoke(commands.app, arguments)


def test_models_fetch_prints_the_path_alone(small: Checkpoint) -> None:
    result = run("fetch", "small")
    assert result.exit_code == 0
    assert result.stdout.strip() == str(small.path)
    assert "small" in result.stderr  # the bar
    assert run("path", "small").stdout.strip() == str(small.path)


def test_models_path_fails_with_the_steps_where_there_is_none(small: Checkpoint) -> None:
    result = run("path", "small")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert_gives_manual_steps(result.stderr, small)


def test_models_list_shows_every_model_and_its_state(small: Checkpoint) -> None:
    small.path.write_bytes(b"short")
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["model", "tiny", "small"]
    assert "damaged" in lines[2]
    assert [model.name for model in registry.list_models()] == ["tiny", "small"]


def test_an_unknown_model_is_wrong_use(small: Checkpoint) -> None:
    result = run("fetch", "vit_x")
    assert result.exit_code == 2
    assert "tiny, small" in result.stderr


def test_the_built_in_model_has_a_path_or_says_that_it_lacks_one(
    small: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "tiny.safetensors"
    monkeypatch.setattr(registry, "TINY_WEIGHTS", weights)
    assert run("path", "tiny").exit_code == 1
    weights.write_bytes(b"weights")
    assert run("fetch", "tiny").stdout.strip() == str(weights)
    assert registry.list_models()[0].size == 7
