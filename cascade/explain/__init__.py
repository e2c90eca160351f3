"""A picture of every stage, and why each candidate was rejected: what to look at when a result is wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path

from PIL import Image

from cascade.config import CS3Config
from cascade.errors import OutputError
from cascade.explain.record import document
from cascade.explain.sheet import contact_sheet, page
from cascade.explain.stages import stages
from cascade.explain.story import tell
from cascade.exports.atomic import explained, write_bytes
from cascade.pipeline import Trace, segment
from cascade.sam.protocol import PromptableModel
from cascade.types import UInt8Array

CONTACT_SHEET, RECORD = "contact-sheet.png", "explain.json"


def explain(
    image: UInt8Array, out: Path, model: PromptableModel, config: CS3Config | None = None
) -> list[Path]:
    """Segment an image and show what every stage saw and decided.

    Writes a numbered picture a stage, `contact-sheet.png` with all of them, and `explain.json` with every
    candidate and the reason for its rejection. A folder that an earlier call has written is written anew.

    Args:
        image: `(height, width, 3)` RGB uint8.
        out: folder, new, empty, or of an earlier call.
        model: from `load_model`.
        config: None is the default configuration.

    Returns:
        The files written: pictures in the order of the stages, the contact sheet, the record.

    Raises:
        ImageError: an array of another form.
        OutputError: the folder holds other files, or cannot be written.
    """
    earlier = _earlier_pictures(out)
    config = config or CS3Config()
    trace = Trace()
    result = segment(image, model=model, config=config, trace=trace)
    story = tell(image, trace, result, config)
    pages = stages(story)
    paths = [out / f"{number:02d}-{stage.name}.png" for number, stage in enumerate(pages, 1)]
    for path, stage in zip(paths, pages, strict=True):
        write_bytes(path, _png(page(stage)))
    title = f"What every stage saw and decided: {len(result.sperm)} sperm, model {result.model}"
    write_bytes(out / CONTACT_SHEET, _png(contact_sheet(pages, title)))
    paths.append(out / CONTACT_SHEET)
    record = document(story, [path.name for path in paths])
    write_bytes(out / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    for stale in earlier - set(paths):
        with explained(stale):
            stale.unlink(missing_ok=True)
    return [*paths, out / RECORD]


def _earlier_pictures(out: Path) -> set[Path]:
    """Pictures of an earlier call, to be removed where this one does not replace them.

    Raises:
        OutputError: the folder is none, or holds files of others.
    """
    if not out.exists():
        return set()
    if not out.is_dir():
        raise OutputError(f"{out}: expected a folder for the pictures, found a file; choose another name")
    if not any(out.iterdir()):
        return set()
    try:
        names = json.loads((out / RECORD).read_text("utf-8"))["pictures"]
        return {out / name for name in names if Path(name).name == name and name.endswith(".png")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutputError(
            f"{out}: expected an empty or new folder, or one that cs3 explain has written, found other files "
            "in it; choose another folder"
        ) from error


def _png(picture: UInt8Array) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", compress_level=6)
    return content.getvalue()
