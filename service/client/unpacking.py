"""A zip of results → files in a folder, nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from cascade.exports.atomic import whole_file
from service.client.errors import ServiceError


def unpack(archive: Path, out: Path) -> list[Path]:
    """Write the files of a zip below `out`; each appears whole or not at all.

    Raises:
        ServiceError: no zip, a damaged one, or names that lead out of the folder.
        OutputError: a file cannot be written.
    """
    try:
        with ZipFile(archive) as source:
            entries = [entry for entry in source.infolist() if not entry.is_dir()]
            targets = [out / _inside(entry.filename) for entry in entries]
            for entry, target in zip(entries, targets, strict=True):
                with source.open(entry) as content, whole_file(target) as part, part.open("wb") as handle:
                    shutil.copyfileobj(content, handle, 1 << 20)
    except BadZipFile as error:
        raise ServiceError(
            f"expected a zip of results from the service, found a damaged one ({error}); fetch it again"
        ) from error
    return targets


def _inside(name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise ServiceError(f"expected file names below the folder in the service's zip, found {name!r}")
    return Path(*path.parts)
