"""Which images of the data to look at, and where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cascade.benchmark.datasets import Dataset, common_images, open_datasets
from cascade.benchmark.splits import select_images
from cascade.errors import AnnotationError, ImageError


@dataclass(frozen=True)
class Selection:
    """Filters, applied in this order to the images in the order of their names.

    Attributes:
        listed: a text file with a file name a line; empty lines and lines that begin with `#` do not count.
        until, after: only images whose names hold a date up to and including, or later than, this one.
        sample: of these every `sample`-th, the first included.
        limit: of these at most so many, from the first on.
    """

    listed: Path | None = None
    until: date | None = None
    after: date | None = None
    sample: int = 1
    limit: int | None = None

    def names(self, known: Iterable[str]) -> list[str]:
        """Of the images that the data hold those that pass.

        Raises:
            AnnotationError: the list cannot be read or names an image that is not in the data, a name to
                filter by holds no date, or nothing is left.
        """
        images = sorted(set(known))
        wanted = None if self.listed is None else _read_list(self.listed)
        chosen = select_images(images, images=wanted, until=self.until, after=self.after)
        chosen = chosen[:: self.sample][: self.limit]
        if not chosen:
            raise AnnotationError(
                f"expected images to compare on, found none of {len(images)} left; check the filters"
            )
        return chosen

    def described(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            name: value.name
            if isinstance(value, Path)
            else value.isoformat()
            if isinstance(value, date)
            else value
            for name, value in asdict(self).items()
        }


def find_images(known: Iterable[str], folder: Path, selection: Selection) -> dict[str, Path]:
    """File name → image file, of the images to compare on.

    Args:
        known: the images that the data hold.
        folder: where the image files are.
        selection: which of them.

    Raises:
        AnnotationError: as `Selection.names`.
        ImageError: an image file is missing.
    """
    chosen = selection.names(known)
    missing = [name for name in chosen if not (folder / name).is_file()]
    if missing:
        raise ImageError(
            f"{folder}: expected the images that the truth lists, found {len(missing)} of {len(chosen)} "
            f"missing, first {missing[0]!r}; name the folder that holds them"
        )
    return {name: folder / name for name in chosen}


def named_experts(experts: Sequence[Dataset], names: Sequence[str]) -> list[Dataset]:
    """The experts of these names, in the order given; all where no name is.

    Raises:
        AnnotationError: there is no expert of a name.
    """
    known = {expert.name: expert for expert in experts}
    if unknown := [name for name in names if name not in known]:
        raise AnnotationError(
            f"expected any of the experts {', '.join(known)}, found {unknown[0]!r}; correct --experts"
        )
    return [known[name] for name in names] or list(experts)


def outlined(
    data: Sequence[str], folder: Path, names: Sequence[str], selection: Selection
) -> tuple[list[Dataset], dict[str, Path]]:
    """The experts of a command line, and file name → image file of what all of them outlined.

    Args:
        data: one file or folder an expert.
        folder: where the image files are.
        names: of the experts that count; all where there is none.
        selection: which of the images.

    Raises:
        AnnotationError, ImageError: as `open_datasets`, `named_experts` and `find_images`.
    """
    experts = named_experts(open_datasets([Path(one) for one in data], images=folder), names)
    return experts, find_images(common_images(experts), folder, selection)


def _read_list(path: Path) -> list[str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(
            f"{path}: expected a text file with an image name a line, but it cannot be read ({error})"
        ) from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise AnnotationError(f"{path}: expected an image name a line, found none; name some")
    return names
