"""Zips from strangers: their images are unpacked into the blob, everything else is refused or left.

Nothing is ever written under a name from the zip, so that such names can do no harm; those that try are
refused all the same, for who writes them is up to something.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

from cascade.images import SUFFIXES
from service.blobs import BlobWriter
from service.errors import ProblemError, too_large
from service.names import clean_name
from service.settings import Settings

LOCAL_FILE, EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_PIECE = 1 << 20
_ENTRIES_BESIDE = 1000  # entries that are no images
_PLAIN, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


@dataclass(frozen=True)
class Entry:
    """An image of a zip, unpacked into the blob."""

    name: str
    start: int
    length: int
    sha256: str
    magic: bytes


@dataclass
class Unpacked:
    """What a zip held: images, and the names of everything else."""

    entries: list[Entry] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def unpack(handle: IO[bytes], length: int, writer: BlobWriter, settings: Settings, others: int) -> Unpacked:
    """Unpack the images of a zip into a blob.

    Args:
        handle: the zip, seekable.
        length: its bytes.
        writer: the blob, still open.
        settings: the limits.
        others: files that the request has beside these.

    Raises:
        ProblemError: damaged, encrypted, nested, too large, or with names that point out of it.
    """
    try:
        with zipfile.ZipFile(handle) as zipped:
            return _unpack(zipped, writer, settings, others, length)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        ValueError,
        KeyError,
        struct.error,
    ) as error:
        found = f"found one that is damaged ({type(error).__name__})"
        raise _refused("bad-zip", f"expected a sound zip, {found}") from None


def _unpack(
    zipped: zipfile.ZipFile, writer: BlobWriter, settings: Settings, others: int, length: int
) -> Unpacked:
    infos = [info for info in zipped.infolist() if not info.is_dir()]
    if len(infos) > settings.max_files + _ENTRIES_BESIDE:
        raise _too_many(settings)
    images: list[zipfile.ZipInfo] = []
    skipped: list[zipfile.ZipInfo] = []
    for info in infos:
        _check(info)
        (images if _is_image(info.filename) else skipped).append(info)
    if others + len(images) > settings.max_files:
        raise _too_many(settings)
    budget = _Budget(settings, length)
    for info in images:
        budget.announce(info)
    out = Unpacked(skipped=[clean_name(info.filename) for info in skipped[:100]])
    for info in images:
        with zipped.open(info) as handle:
            out.entries.append(_copy(clean_name(info.filename), handle, writer, budget))
    return out


def _copy(name: str, handle: IO[bytes], writer: BlobWriter, budget: _Budget) -> Entry:
    start, digest, magic = writer.size, hashlib.sha256(), b""
    while piece := handle.read(_PIECE):
        magic = magic or piece[:16]
        if magic.startswith((LOCAL_FILE, EMPTY_ZIP)):
            raise _refused("nested-zip", f"expected images in the zip, found another zip in it: {name}")
        budget.spend(name, writer.size - start + len(piece), len(piece))
        digest.update(piece)
        writer.write(piece)
    return Entry(name, start, writer.size - start, digest.hexdigest(), magic)


class _Budget:
    """How much may still be unpacked. Believes no header: what comes out is counted."""

    def __init__(self, settings: Settings, length: int) -> None:
        self._settings = settings
        self._left = int(min(settings.max_body_bytes, max(length, _PIECE) * settings.max_zip_ratio))

    def announce(self, info: zipfile.ZipInfo) -> None:
        """Refuse early what a header already says to be too much."""
        self._check_file(clean_name(info.filename), info.file_size)
        if info.file_size > max(info.compress_size, 4096) * self._settings.max_zip_ratio:
            raise self._bomb()

    def spend(self, name: str, of_file: int, more: int) -> None:
        self._check_file(name, of_file)
        self._left -= more
        if self._left < 0:
            raise self._bomb()

    def _check_file(self, name: str, size: int) -> None:
        limit = self._settings.max_image_bytes
        if size > limit:
            raise too_large(
                f"Expected files of at most {limit} bytes, found more in the zip's {name}.",
                "Send it in smaller fields, or compressed.",
            )

    def _bomb(self) -> ProblemError:
        return too_large(
            f"Expected a zip whose content is at most {self._settings.max_zip_ratio:g} times as large and "
            f"at most {self._settings.max_body_bytes} bytes, found one that unpacks to more.",
            "Send the images themselves, or in several zips.",
        )


def _check(info: zipfile.ZipInfo) -> None:
    path = info.filename.replace("\\", "/")
    if path.startswith("/") or path[1:2] == ":" or ".." in path.split("/") or "\0" in path:
        raise _refused(
            "zip-path", "expected names below the zip's own folder, found one that points out of it"
        )
    if info.flag_bits & 0x1:
        raise _refused("zip-encrypted", "expected a zip without password, found one that is encrypted")
    if info.compress_type not in (_PLAIN, _DEFLATED):
        raise _refused("bad-zip", "expected entries stored or deflated, found another compression")
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise _refused("zip-path", "expected files in the zip, found a symbolic link")
    if PurePosixPath(path).suffix.lower() == ".zip":
        raise _refused(
            "nested-zip", f"expected images in the zip, found another zip in it: {clean_name(path)}"
        )


def _is_image(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in SUFFIXES


def _refused(kind: str, detail: str) -> ProblemError:
    return ProblemError(
        422, kind, f"images: {detail}.", "Pack the images into a plain zip again, or send them one by one."
    )


def _too_many(settings: Settings) -> ProblemError:
    return too_large(
        f"Expected at most {settings.max_files} files in a request, found more in the zip.",
        "Send them as several jobs.",
    )
