"""Annotated images, whatever form they are kept in: one data set an expert.

| form | what to name |
| --- | --- |
| COCO with `sperm_id`, plain COCO instances | the file; or a folder of such files, one an expert |
| results of `cs3 segment` | their folder, or `annotations.coco.json` in it |
| labelme | the folder of its JSON files |
| label TIFFs, label PNGs | their folder; PNGs also in a folder a part (`head/`, `tail/`, …) |
| instance PNGs | a folder with a folder an image, in it `NAME.png` or `NAME_PART.png` |
| labelme or TIFFs of several experts | a folder with a folder an expert |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cascade.benchmark.annotations import AnnotatedImage, Annotations, read_annotations
from cascade.benchmark.label_images import (
    part_of_folder,
    read_instance_pngs,
    read_label_pngs,
    read_label_tiff,
)
from cascade.benchmark.labelme import read_labelme
from cascade.errors import AnnotationError
from cascade.images import SUFFIXES

_TIFF = (".tif", ".tiff")
_RESULTS = "annotations.coco.json"
_FORMS = "a COCO file, or a folder of labelme files, label TIFFs, label PNGs or instance PNGs"


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one expert outlined.

    Attributes:
        name: of the expert: that of the file or folder.
        path: where it was read from.
        images: file name of the image → its annotations.
    """

    name: str
    path: Path
    images: Annotations


def open_datasets(
    paths: Sequence[Path], *, images: Path | None = None, rename: Mapping[str, str] | None = None
) -> list[Dataset]:
    """Read the annotations of one or more experts.

    Args:
        paths: one an expert, or a folder that holds several experts' (see above).
        images: folder of the pictures. Masks kept as pictures are named after the image or its stem; this
            says which file it is. Without it they go by the names that the other experts' files give.
        rename: category, label, channel or folder name → part, where files have names of their own.

    Returns:
        Data sets in the order of the paths, named after their files or folders.

    Raises:
        AnnotationError: a path is missing, of no known form or damaged; the same one is named twice; an
            expert has no sperm; or experts disagree on the size of an image.
    """
    sources = [source for path in paths for source in _sources(path, rename)]
    if not sources:
        raise AnnotationError(f"expected at least one expert's annotations, found none; name {_FORMS}")
    doubled = [path for number, (path, _) in enumerate(sources) if path in [p for p, _ in sources[:number]]]
    if doubled:
        raise AnnotationError(f"{doubled[0]}: expected every expert once, found it twice; name it once")
    read = [(path, reader(path, rename)) for path, reader in sources]
    known = _pictures(images) | {
        name
        for (_, reader), (_, found) in zip(sources, read, strict=True)
        if reader in (_coco, _labelme)
        for name in found
    }
    names = _short_names([path for path, _ in read])
    experts = [
        Dataset(name, path, _matched(found, known, path))
        for name, (path, found) in zip(names, read, strict=True)
    ]
    _check(experts)
    return experts


def common_images(experts: Sequence[Dataset]) -> list[str]:
    """File names of the images that all experts annotated, in the order of the first.

    Raises:
        AnnotationError: there are none.
    """
    common = [name for name in experts[0].images if all(name in one.images for one in experts)]
    if not common:
        everyone = ", ".join(str(one.path) for one in experts)
        raise AnnotationError(
            f"expected images that all of {everyone} annotated, found none; name annotations of the same "
            "images (for pictures of masks, also name the folder of the images)"
        )
    return common


def check_prediction(predicted: Annotations, experts: Sequence[Dataset], source: Path) -> None:
    """Refuse a prediction that cannot be scored.

    Args:
        predicted: file name → annotations.
        experts: the truth.
        source: of the prediction, for messages.

    Raises:
        AnnotationError: it holds images that an expert lacks, or of another size.
    """
    for expert in experts:
        strangers = sorted(set(predicted) - set(expert.images))
        if strangers:
            raise AnnotationError(
                f"{source}: expected images that {expert.path} holds, found {len(strangers)} others, first "
                f"{strangers[0]!r}; take them out or name the truth they belong to"
            )
        for name, image in predicted.items():
            if image.shape != (shape := expert.images[name].shape):
                raise AnnotationError(
                    f"{source}: {name}: expected height, width {shape} as in {expert.path}, found "
                    f"{image.shape}; predict on the original image"
                )


def check_masks(experts: Sequence[Dataset], images: Iterable[str]) -> None:
    """Decode every mask once: what is damaged is better known before hours of work than after them.

    Raises:
        AnnotationError: a mask is damaged, or of another size than its image.
    """
    for name in images:
        for expert in experts:
            if name in expert.images:
                expert.images[name].sperm()


# -- which form a path has

Rename = Mapping[str, str] | None
Reader = Callable[[Path, Rename], dict[str, AnnotatedImage]]
Source = tuple[Path, Reader]


def _sources(path: Path, rename: Rename) -> list[Source]:
    if path.is_file():
        if path.suffix.lower() != ".json" or _keys(path) >= {"shapes"}:
            raise AnnotationError(f"{path}: expected {_FORMS}, found another file; name its folder")
        return [(path, _coco)]
    if not path.is_dir():
        raise AnnotationError(f"{path}: expected {_FORMS}, found nothing there; check the path")
    if (path / _RESULTS).is_file():
        return [(path / _RESULTS, _coco)]
    files, folders = _listing(path)
    if found := _of_files(path, files):
        return found
    parts = [folder for folder in folders if part_of_folder(folder.name, rename)]
    inside = [_listing(folder) for folder in folders]
    if any(f.suffix.lower() in (*_TIFF, ".json") for files, _ in inside for f in files):
        return [source for folder in folders if _listing(folder)[0] for source in _sources(folder, rename)]
    if parts:
        return [(path, _label_pngs)]
    if any(f.suffix.lower() == ".png" for folder in folders for f in _instances(folder)):
        return [(path, _instance_pngs)]
    raise AnnotationError(f"{path}: expected {_FORMS}, found neither in this folder; name another")


def _of_files(path: Path, files: Sequence[Path]) -> list[Source]:
    documents = [file for file in files if file.suffix.lower() == ".json"]
    kinds = {
        file: "labelme" if "shapes" in (keys := _keys(file)) else "coco" if "annotations" in keys else ""
        for file in documents
    }
    if len(set(kinds.values())) > 1 or "" in kinds.values():
        first = next(file for file, kind in kinds.items() if kind != kinds[documents[0]] or not kind)
        raise AnnotationError(
            f"{first}: expected nothing but COCO files or nothing but labelme files in {path}, found another "
            "JSON file; move it or name the files one by one"
        )
    if documents:
        return [(path, _labelme)] if "labelme" in kinds.values() else [(file, _coco) for file in documents]
    if any(file.suffix.lower() in _TIFF for file in files):
        return [(path, _label_tiffs)]
    return [(path, _label_pngs)] if any(file.suffix.lower() == ".png" for file in files) else []


def _listing(path: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders of a folder, sorted; hidden ones left out."""
    try:
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return [e for e in entries if e.is_file()], [e for e in entries if e.is_dir()]


def _keys(path: Path) -> set[str]:
    """The keys of a JSON file's object; what cannot be read has none here, and is refused when it is read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {"annotations"}
    return set(document) if isinstance(document, dict) else set()


# -- one reader a form: path → file name of the image, or of the mask → annotations


def _coco(path: Path, rename: Rename) -> dict[str, AnnotatedImage]:
    return read_annotations(path, rename)


def _labelme(path: Path, rename: Rename) -> dict[str, AnnotatedImage]:
    return read_labelme([file for file in _listing(path)[0] if file.suffix.lower() == ".json"], rename)


def _label_tiffs(path: Path, rename: Rename) -> dict[str, AnnotatedImage]:
    files = [file for file in _listing(path)[0] if file.suffix.lower() in _TIFF]
    return {file.stem: read_label_tiff(file, rename) for file in files}


def _label_pngs(path: Path, rename: Rename) -> dict[str, AnnotatedImage]:
    files, folders = _listing(path)
    layers: dict[str, dict[str, Path]] = {}
    whole = {part_of_folder(path.name, rename) or "sperm": files}
    by_part = {part: _listing(f)[0] for f in folders if (part := part_of_folder(f.name, rename))}
    for part, several in (whole | by_part if files else by_part).items():
        for file in several:
            if file.suffix.lower() == ".png":
                layers.setdefault(file.stem, {})[part] = file
    return {name: read_label_pngs(of_parts) for name, of_parts in layers.items()}


def _instance_pngs(path: Path, rename: Rename) -> dict[str, AnnotatedImage]:
    found = {}
    for folder in _listing(path)[1]:
        if files := [file for file in _instances(folder) if file.suffix.lower() == ".png"]:
            found[folder.name] = read_instance_pngs(files, rename)
    return found


def _instances(folder: Path) -> list[Path]:
    """The masks of one image: in its folder, or in `masks` below it."""
    below = folder / "masks"
    return _listing(below if below.is_dir() else folder)[0]


# -- names


def _pictures(folder: Path | None) -> set[str]:
    if folder is None:
        return set()
    if not folder.is_dir():
        raise AnnotationError(f"{folder}: expected the folder of the images, found none; check the path")
    return {file.name for file in _listing(folder)[0] if file.suffix.lower() in SUFFIXES}


def _matched(found: Annotations, known: Iterable[str], path: Path) -> dict[str, AnnotatedImage]:
    """Annotations by the name of their image: as it is, or the one image of the same stem."""
    names = set(known)
    stems: dict[str, list[str]] = {}
    for name in sorted(names):
        stems.setdefault(Path(name).stem, []).append(name)
    out: dict[str, AnnotatedImage] = {}
    for name, image in found.items():
        fitting = [name] if name in names else stems.get(name, [name])
        if len(fitting) > 1 or fitting[0] in out:
            raise AnnotationError(
                f"{path}: expected {name!r} to be of one image and alone, found {' and '.join(fitting)}; "
                "name the mask after the whole file name, such as smear.jpg.png"
            )
        out[fitting[0]] = image
    return out


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Names of files without suffix, of folders; with the folder above where two would be the same."""
    names = [
        path.name.removesuffix(".json").removesuffix(".coco") if path.is_file() else path.name
        for path in paths
    ]
    names = [
        path.resolve().parent.name if path.name == _RESULTS else name or path.resolve().name
        for name, path in zip(names, paths, strict=True)
    ]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}/{name}" for name, path in zip(names, paths, strict=True)]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return names


def _check(experts: Sequence[Dataset]) -> None:
    for expert in experts:
        if not any(image.pieces for image in expert.images.values()):
            raise AnnotationError(f"{expert.path}: expected outlined sperm, found none; name another file")
    for expert in experts[1:]:
        for name, image in expert.images.items():
            first = next((one for one in experts if name in one.images), expert)
            if image.shape != (shape := first.images[name].shape):
                raise AnnotationError(
                    f"{expert.path}: {name}: expected height, width {shape} as in {first.path}, found "
                    f"{image.shape}; annotate the original image"
                )
