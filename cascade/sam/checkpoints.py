"""Meta's SAM checkpoints: where they come from, where they are kept, and whether they are whole.

A checkpoint counts as whole when its size and sha256 are those of the table. Hashing gigabytes at every
start would be slow, so a file that passed gets a small record beside it (size, time of change, sha256),
which holds as long as the file is not touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from cascade.errors import ModelError
from cascade.sam.download import DownloadError, Progress, download

State = Literal["ready", "unverified", "partial", "damaged", "missing"]

_META = "https://dl.fbaipublicfiles.com/segment_anything/"
SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Checkpoint:
    """One published file of weights.

    Attributes:
        name: what the user calls it.
        file: its file name, also in the cache.
        size: bytes.
        sha256: hexadecimal.
        url: where it is published.
    """

    name: str
    file: str
    size: int
    sha256: str
    url: str

    @property
    def path(self) -> Path:
        """Where the cache keeps it, whether or not it is there."""
        return cache_folder() / self.file

    @property
    def is_here(self) -> bool:
        """Whether the cache has a file of that name; a folder that may not be looked into has none."""
        try:
            return self.path.is_file()
        except OSError:
            return False

    @property
    def part(self) -> Path:
        """The partial file of a download that is under way or broke off."""
        return self.path.with_name(f"{self.file}.part")

    @property
    def manual_steps(self) -> str:
        """What to do where this machine cannot download."""
        return (
            f"To install it by hand: on a machine with internet access download {self.url} "
            f"({self.size:,} bytes), check that its sha256 is {self.sha256} "
            f"(`sha256sum {self.file}`; on Windows `certutil -hashfile {self.file} SHA256`), "
            f"and copy it to {self.path}"
        )


CHECKPOINTS: Mapping[str, Checkpoint] = MappingProxyType(
    {
        name: Checkpoint(name, file, size, sha256, _META + file)
        for name, file, size, sha256 in (
            (
                "vit_b",
                "sam_vit_b_01ec64.pth",
                375_042_383,
                "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            ),
            (
                "vit_l",
                "sam_vit_l_0b3195.pth",
                1_249_524_607,
                "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            ),
            (
                "vit_h",
                "sam_vit_h_4b8939.pth",
                2_564_550_879,
                "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            ),
        )
    }
)


def cache_folder() -> Path:
    """Folder of the checkpoints: the environment variable `CS3_MODELS`, else the user's cache folder."""
    named = os.environ.get("CS3_MODELS")
    return Path(named).expanduser() if named else user_cache_path("cs3", appauthor=False) / "models"


def lookup(name: str) -> Checkpoint:
    """The table's entry.

    Raises:
        ModelError: no checkpoint of that name.
    """
    if name not in CHECKPOINTS:
        raise ModelError(f"there is no checkpoint {name!r} to fetch; choose one of {', '.join(CHECKPOINTS)}")
    return CHECKPOINTS[name]


def state(name: str) -> State:
    """What the cache holds of a checkpoint, told without reading it.

    "unverified": of the right size, but not hashed yet; the first load or fetch does that.
    """
    checkpoint = lookup(name)
    if not checkpoint.is_here:
        return "partial" if _bytes_of(checkpoint.part) else "missing"
    if checkpoint.path.stat().st_size != checkpoint.size:
        return "damaged"
    return "ready" if _recorded(checkpoint.path) == checkpoint.sha256 else "unverified"


def locate(name: str) -> Path:
    """The cached file, known to be whole; without network, and hashed only if it changed since the last time.

    Raises:
        ModelError: unknown name, not in the cache, damaged, or not readable.
    """
    checkpoint = lookup(name)
    if not checkpoint.is_here:
        raise ModelError(
            f"{name} is not on this machine: expected {checkpoint.path}. "
            f"Run `cs3 models fetch {name}`. {checkpoint.manual_steps}"
        )
    try:
        fault = _fault(checkpoint, checkpoint.path)
    except OSError as error:
        raise ModelError(f"cannot read {checkpoint.path}: {error}. Check its permissions") from error
    if fault:
        raise ModelError(
            f"{checkpoint.path} is damaged: {fault}. "
            f"Run `cs3 models fetch {name}`, which replaces it. {checkpoint.manual_steps}"
        )
    return checkpoint.path


def fetch(name: str, progress: Progress | None = None) -> Path:
    """The cached file, downloaded first where it is missing or damaged; a broken download is continued.

    Several processes may fetch the same checkpoint: one downloads, the others wait for it.

    Args:
        name: a key of `CHECKPOINTS`.
        progress: called with (bytes there, bytes in all), also while another process downloads.

    Returns:
        Path of a file whose size and sha256 are the table's.

    Raises:
        ModelError: unknown name, no connection, disk full, folder not writable, or not the published file.
    """
    checkpoint, report = lookup(name), progress or _ignore
    try:
        if not _is_whole(checkpoint):
            checkpoint.path.parent.mkdir(parents=True, exist_ok=True)
            with _sole_fetcher(checkpoint, report):
                if not _is_whole(checkpoint):  # else another process has just fetched it
                    _download_verified(checkpoint, report)
    except DownloadError as error:
        raise ModelError(
            f"cannot fetch {name}: {error}. Run `cs3 models fetch {name}` again when the connection is back: "
            f"it continues where it stopped. {checkpoint.manual_steps}"
        ) from error
    except OSError as error:
        raise ModelError(
            f"cannot keep {name} in {checkpoint.path.parent}: {error}. Make room there, make the folder "
            f"writable, or name another one in the environment variable CS3_MODELS"
        ) from error
    report(checkpoint.size, checkpoint.size)
    return checkpoint.path


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download_verified(checkpoint: Checkpoint, report: Progress) -> None:
    """Download to the partial file, verify, and only then give it its name."""
    part = checkpoint.part
    while True:
        resumed = part.exists()
        _check_space(checkpoint)
        download(checkpoint.url, part, checkpoint.size, report)
        fault = _fault(checkpoint, part)
        if not fault:
            break
        part.unlink()
        if (
            not resumed
        ):  # a wrong beginning from an earlier run deserves one clean start, a wrong whole does not
            raise DownloadError(f"what the server sent is not the published file: {fault}")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(checkpoint.path)
    _record(checkpoint.path, checkpoint.sha256)


def _is_whole(checkpoint: Checkpoint) -> bool:
    return checkpoint.is_here and not _fault(checkpoint, checkpoint.path)


def _fault(checkpoint: Checkpoint, path: Path) -> str:
    """What is wrong with a file that should be the checkpoint; empty where nothing is."""
    size = path.stat().st_size
    if size != checkpoint.size:
        return f"expected {checkpoint.size:,} bytes, found {size:,}"
    if _recorded(path) == checkpoint.sha256:
        return ""
    found = sha256_of(path)
    if found != checkpoint.sha256:
        return f"expected sha256 {checkpoint.sha256}, found {found}"
    if path == checkpoint.path:
        _record(path, found)
    return ""


def _check_space(checkpoint: Checkpoint) -> None:
    needed = checkpoint.size - min(_bytes_of(checkpoint.part), checkpoint.size) + SPARE_BYTES
    free = shutil.disk_usage(checkpoint.path.parent).free
    if free < needed:
        raise OSError(f"{needed:,} bytes are needed, {free:,} are free")


def _bytes_of(path: Path) -> int:
    """Size of a file that may not be there, or may just have got its final name: then 0."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@contextmanager
def _sole_fetcher(checkpoint: Checkpoint, report: Progress) -> Iterator[None]:
    """Hold the checkpoint's lock, which ends with its process; show the holder's progress while waiting."""
    lock = FileLock(checkpoint.path.with_name(f"{checkpoint.file}.lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            report(min(_bytes_of(checkpoint.part), checkpoint.size), checkpoint.size)
    try:
        yield
    finally:
        lock.release()


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")


def _record(path: Path, sha256: str) -> None:
    """Remember a verified file; a read-only folder merely means hashing again next time."""
    stat = path.stat()
    text = json.dumps({"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256})
    target = _record_path(path)
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    with suppress(OSError):
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)


def _recorded(path: Path) -> str:
    """The sha256 that was verified for the file as it is now; empty where there is none."""
    try:
        record = json.loads(_record_path(path).read_text(encoding="utf-8"))
        stat = path.stat()
        if (record["size"], record["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns):
            return str(record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return ""


def _ignore(have: int, size: int) -> None:
    """Progress for callers who did not ask for it."""
