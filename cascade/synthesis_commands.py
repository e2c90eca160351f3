"""`cs3 synthesize` and `cs3 synthesize-distance`: draw smears, and say how far they are from real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cascade.console import reported, say

if TYPE_CHECKING:
    from cascade.sam.tiny import Tiny
    from cascade.synthesis.appearance import Appearance
    from cascade.synthesis.distance import Crops, Distance

_MOST_MEASURED = 60
"""Pictures of a folder that are measured: more would take longer and say the same."""
_APPEARANCE = "appearance.json"


def synthesize(
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the smears, new or empty.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Number of smears.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same smears.")] = 0,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="Width and height in pixels; 1280x1024 by itself."),
    ] = None,
    head_length: Annotated[
        float | None, typer.Option("--head-length", metavar="PX", help="Length of a head; 90 by itself.")
    ] = None,
    stain: Annotated[str | None, typer.Option("--stain", help="One stain; otherwise a mixture.")] = None,
    magnification: Annotated[
        float,
        typer.Option("--magnification", metavar="X", help="Of the objective, 40 to 100: size and sharpness."),
    ] = 100.0,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="FOLDER", help="Resemble these images; no annotation is needed."),
    ] = None,
    appearance: Annotated[
        Path | None,
        typer.Option("--appearance", metavar="FILE", help=f"Resemble what --like measured ({_APPEARANCE})."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="KIND", help="coco or yolo; may be repeated. coco by itself."),
    ] = None,
) -> None:
    """Draw synthetic smears with exact masks of every sperm and part.

    With --like, smears resemble a laboratory's own images in colours, sharpness, widths and dirt; what was
    measured is kept as appearance.json, which holds nothing of the images themselves.
    """
    shape = None if size is None else _shape(size)
    if like and appearance is not None:
        raise typer.BadParameter("expected --like or --appearance, got both; leave one out")
    if stain is not None and (like or appearance is not None):
        raise typer.BadParameter("expected --stain or images to resemble, got both; leave one out")
    with reported():
        from rich.progress import Progress  # noqa: PLC0415

        from cascade.synthesis.appearance import load_appearances, save_appearances  # noqa: PLC0415
        from cascade.synthesis.dataset import check_request, write_dataset  # noqa: PLC0415

        check_request(out, count, formats or ["coco"])
        likes: Sequence[Appearance] = ()
        if appearance is not None:
            likes = load_appearances(appearance)
        elif like:
            likes = _measured(like, out)
        with Progress(transient=True) as bar:
            task = bar.add_task("Drawing", total=count)
            written = write_dataset(
                out,
                count,
                seed,
                shape=shape,
                head_length=head_length,
                stain=stain,
                magnification=magnification,
                likes=likes,
                formats=formats or ["coco"],
                progress=lambda done, _: bar.update(task, completed=done),
            )
        if like:
            save_appearances(out / _APPEARANCE, likes)
    typer.echo(f"The smears and {written.name} are in {out}.")


def synthesize_distance(
    real: Annotated[list[str], typer.Argument(metavar="REAL...", help="Images, folders or patterns.")],
    *,
    synthetic: Annotated[
        list[str] | None,
        typer.Option("--synthetic", metavar="FOLDER", help="Smears to judge; may be repeated."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only real images whose names hold no later date."),
    ] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=2, help="Pictures of each set, spread evenly over it.")
    ] = 16,
    crops: Annotated[int, typer.Option("--crops", min=1, help="Crops of each picture, at most.")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of crops and subsets.")] = 0,
) -> None:
    """Say how far synthetic smears are from real images, as the encoder of tiny and a classifier see them.

    KID is 0 where nothing differs; an AUC of 0.5 says that a classifier cannot tell them apart. The first row
    is the floor: the real images' first half, by name, against their second.
    """
    with reported():
        import numpy as np  # noqa: PLC0415

        from cascade.inputs import find_inputs  # noqa: PLC0415
        from cascade.sam.tiny import load_tiny  # noqa: PLC0415
        from cascade.synthesis.distance import compare  # noqa: PLC0415

        files = sorted(find_inputs(real), key=lambda file: file.name)
        if until is not None:
            from cascade.benchmark.splits import date_in  # noqa: PLC0415

            files = [file for file in files if date_in(file.name) <= until.date()]
        model = load_tiny()
        truth = _crops(files, model, pictures, crops, seed)
        half = truth.picture < np.median(np.unique(truth.picture))
        rows = [("real, two halves", compare(truth.chosen(half), truth.chosen(~half), seed))]
        for folder in synthetic or []:
            drawn = _crops(find_inputs([folder]), model, pictures, crops, seed)
            rows.append((folder, compare(truth, drawn, seed)))
    _show(rows)


def _show(rows: Sequence[tuple[str, Distance]]) -> None:
    width = max(len(name) for name, _ in rows)
    typer.echo(f"{'':{width}}  KID of encoder  KID of texture    AUC  accuracy  crops")
    for name, one in rows:
        typer.echo(
            f"{name:{width}}  {one.kid:6.2f} ± {one.kid_spread:5.2f}  {one.texture_kid:6.2f} ± "
            f"{one.texture_kid_spread:5.2f}  {one.auc:5.3f}  {one.accuracy:8.3f}  "
            f"{one.crops[0]}/{one.crops[1]}"
        )


def _crops(files: Sequence[Path], model: Tiny, pictures: int, crops: int, seed: int) -> Crops:
    from cascade.synthesis.distance import take_crops  # noqa: PLC0415
    from cascade.synthesis.survey import readable  # noqa: PLC0415

    skipped: list[str] = []
    found = take_crops(readable(spread_evenly(files, pictures), skipped), model, crops, seed)
    _tell(skipped)
    return found


def _measured(inputs: Sequence[str], out: Path) -> Sequence[Appearance]:
    from rich.progress import Progress  # noqa: PLC0415

    from cascade.inputs import find_inputs  # noqa: PLC0415
    from cascade.sam.tiny import load_tiny  # noqa: PLC0415
    from cascade.synthesis.measuring import measure_files  # noqa: PLC0415

    files = spread_evenly(find_inputs(inputs, exclude=out), _MOST_MEASURED)
    with Progress(transient=True) as bar:
        task = bar.add_task("Measuring", total=len(files))
        found = measure_files(files, load_tiny(), lambda done: bar.update(task, completed=done))
    _tell(found.skipped)
    return found.appearances


def spread_evenly(files: Sequence[Path], most: int) -> list[Path]:
    """At most `most` of the files, the first and the last among them."""
    if len(files) <= most:
        return list(files)
    return [files[round(i * (len(files) - 1) / max(most - 1, 1))] for i in range(most)]


def _tell(skipped: Sequence[str]) -> None:
    for why in skipped:
        say(f"skipped {why}")


def _shape(size: str) -> tuple[int, int]:
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise typer.BadParameter(
            f"expected width and height such as 1280x1024, got {size!r}", param_hint="--size"
        )
    return int(height), int(width)
