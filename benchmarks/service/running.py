"""A service that the scripts beside this start, look at, kill and end; and what they measure it with."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from PIL import Image, PngImagePlugin

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "cascade" / "examples" / "papanicolaou.png"
MIB = 2**20
PATIENCE = 600.0  # seconds until the service is ready, or anything else has happened


class RunningService:
    """`cs3 service start` in a folder of its own, on a free port of this machine alone.

    Use it in a `with` block: whatever happens, no process stays behind.

    Args:
        settings: `CS3_SERVICE_…` variables without that beginning: `{"MAX_QUEUE": "50"}`.
        database_url: of a PostgreSQL database that may be filled; SQLite where None.
    """

    def __init__(self, settings: dict[str, str] | None = None, database_url: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cs3-acceptance-", ignore_cleanup_errors=True)
        self.data = Path(self._folder.name) / "data"
        self.log = Path(self._folder.name) / "log"
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"DATA": str(self.data), "DATABASE_URL": database_url or ""} | (settings or {})
        self._variables = os.environ | {f"CS3_SERVICE_{name}": value for name, value in own.items()}
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._known: set[int] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, also again after `kill("supervisor")`."""
        command = [sys.executable, "-m", "service", "start", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                command, cwd=ROOT, env=self._variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_until_ready(self, patience: float = PATIENCE) -> float:
        """Seconds until it said that it is ready."""
        began = time.monotonic()
        while not self.ready():
            if self._supervisor is not None and self._supervisor.poll() is not None:
                raise SystemExit(f"expected a service that runs, found that it ended:\n{self.log_text()}")
            if time.monotonic() - began > patience:
                raise SystemExit(f"expected it ready within {patience:g} s, it is not:\n{self.log_text()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def ready(self) -> bool:
        """Whether it says so."""
        try:
            return httpx.get(f"{self.url}/v2/health/ready", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def processes(self) -> dict[str, int]:
        """`supervisor`, `api`, `worker` (the first) → process id, those that run."""
        found: dict[str, int] = {}
        if self._supervisor is None or self._supervisor.poll() is not None:
            return found
        found["supervisor"] = self._supervisor.pid
        for pid, command in _children(self._supervisor.pid).items():
            self._known.add(pid)
            for kind in ("api", "worker"):
                if f"service {kind}" in command:
                    found.setdefault(kind, pid)
        return found

    def kill(self, *kinds: str) -> bool:
        """SIGKILL, no last words; False where such a process does not run at the moment."""
        running = self.processes()
        hit = [running[kind] for kind in kinds if kind in running]
        for pid in hit:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if "supervisor" in kinds and self._supervisor is not None:
            self._supervisor.wait()
        return bool(hit)

    def end(self) -> None:
        """End it in order, and by force what does not go."""
        self.processes()
        if self._supervisor is not None:
            self._supervisor.terminate()
            try:
                self._supervisor.wait(40)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
        for pid in self._known:
            with suppress(OSError):
                if "service" in Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace"):
                    os.kill(pid, signal.SIGKILL)

    def log_text(self, most: int = 4000) -> str:
        """The end of what it logged."""
        return self.log.read_text("utf-8", "replace")[-most:] if self.log.exists() else ""

    def memory(self) -> dict[str, float]:
        """`api`, `worker` → resident memory, MiB."""
        found = {}
        for kind, pid in self.processes().items():
            with suppress(OSError, StopIteration):
                lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
                found[kind] = int(next(one for one in lines if one.startswith("VmRSS:")).split()[1]) / 1024
        return found

    def processor_seconds(self) -> float:
        """That its processes have taken so far, with their children that have ended."""
        ticks = 0
        for pid in self.processes().values():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
                ticks += sum(int(one) for one in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(parent: int) -> dict[int, str]:
    """Process id → command line."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            if int(status.read_text("ascii", "replace").rpartition(")")[2].split()[1]) == parent:
                command = (status.parent / "cmdline").read_text("utf-8", "replace")
                found[int(status.parent.name)] = command.replace("\0", " ")
    return found


def pictures(count: int, width: int, height: int) -> list[Image.Image]:
    """Different parts of a bundled smear, so small that one takes little time."""
    smear = Image.open(EXAMPLE).convert("RGB")
    out = []
    for number in range(count):
        left = 60 + 97 * number % max(1, smear.width - width - 60)
        upper = 40 + 61 * number % max(1, smear.height - height - 40)
        out.append(smear.crop((left, upper, left + width, upper + height)))
    return out


def as_png(picture: Image.Image, mark: str = "") -> bytes:
    """A file; `mark` makes files of the same picture differ."""
    told = PngImagePlugin.PngInfo()
    if mark:
        told.add_text("Comment", mark)
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=told)
    return content.getvalue()


def wait_for(what: Callable[[], bool], patience: float, pause: float = 0.2) -> bool:
    """Whether it came true in time."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if what():
            return True
        time.sleep(pause)
    return False


def pages_of(client: httpx.Client, address: str, key: str) -> Iterator[dict[str, Any]]:
    """Everything of a list that comes in pages."""
    cursor: str | None = None
    while True:
        page = client.get(address, params={"cursor": cursor} if cursor else None).raise_for_status().json()
        yield from page[key]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def parser(doc: str | None, name: str) -> argparse.ArgumentParser:
    """Options that all scripts have. From now on SIGTERM ends a script in order, and its service with it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    made = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    made.add_argument("--out", type=Path, default=Path(f"{name}.json"), help="figures as JSON")
    return made


def report(
    out: Path, figures: dict[str, Any], columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Print a Markdown table, and write all figures with the machine's load beside them."""
    print(f"\n| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(str(one) for one in row)} |")
    load = round(os.getloadavg()[0], 1)
    print(f"\n{os.cpu_count()} processors, load at the end {load}")
    figures = {"processors": os.cpu_count(), "load_at_end": load} | figures
    out.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
