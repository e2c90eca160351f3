"""What the user named on the command line → image files, and the names that they go by in the results."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cascade.errors import ImageError
from cascade.images import SUFFIXES


def find_inputs(inputs: Iterable[str | Path], exclude: Path | None = None) -> list[Path]:
    """The image files that the inputs name, each once, in order.

    Args:
        inputs: files (of any name), folders (searched with their sub-folders for known suffixes, hidden
            entries left out, sorted by path), and globs (`*`, `?`, `[…]`, `**`), sorted. A file whose name
            merely looks like a glob is that file.
        exclude: a folder to leave out of the search: the results may lie inside the inputs' folder.

    Raises:
        ImageError: an input does not exist, or names no image.
    """
    found: dict[Path, Path] = {}
    for item in inputs:
        files = _expand(str(item), exclude)
        if not files:
            raise ImageError(
                f"{item}: expected a folder or pattern with images ({' '.join(sorted(SUFFIXES))}), found none"
            )
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def output_names(paths: Sequence[Path]) -> list[str]:
    """The name of each file in the results.

    Its base name, or its path below the files' common folder (with `/`) where two base names collide.
    Capitals do not tell names apart: some file systems cannot.
    """
    count = Counter(path.name.casefold() for path in paths)
    if not count or count.most_common(1)[0][1] == 1:
        return [path.name for path in paths]
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links keep the names users gave them
    common = Path(os.path.commonpath([path.parent for path in absolute]))
    return [
        path.name if count[path.name.casefold()] == 1 else path.relative_to(common).as_posix()
        for path in absolute
    ]


def _expand(item: str, exclude: Path | None) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        return _search(path, exclude)
    if path.exists() or path.is_symlink():
        return [path]
    if not glob.has_magic(item):
        raise ImageError(
            f"{item}: expected a file, folder or pattern, found nothing there; check the spelling"
        )
    matches = [Path(match) for match in sorted(glob.glob(item, recursive=True))]  # noqa: PTH207 - absolute too
    return [match for match in matches if match.is_file() and not _inside(match, exclude)]


def _search(folder: Path, exclude: Path | None) -> list[Path]:
    files = []
    for root, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and not _inside(Path(root, f), exclude)]
        files += [
            Path(root, n) for n in names if not n.startswith(".") and Path(n).suffix.lower() in SUFFIXES
        ]
    return sorted(files)


def _inside(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder.resolve())
