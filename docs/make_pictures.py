"""Make the pictures of README and docs, and the bundled examples, anew.

    python docs/make_pictures.py [--model tiny] [--device auto]

Run it in an environment with CS3 installed, whenever the drawing of smears, the model's weights or the stages
have changed; then look at what it made. It writes

    cascade/examples/*.png          the bundled examples, drawn by cascade.synthesis
    docs/images/overlay.png         an example beside its overlay, for README
    docs/images/stages.jpg          six stages on one example, for README
    docs/images/contact-sheet.jpg   what `cs3 explain` shows of it, for docs/method.md
    docs/images/stains.jpg          every stain and preset, for docs/synthesis.md

With the same weights, the same machine makes the same files.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cascade.config import CS3Config
from cascade.explain.sheet import Stage, contact_sheet
from cascade.explain.stages import stages
from cascade.explain.story import tell
from cascade.exports.atomic import write_bytes
from cascade.exports.overlay import draw
from cascade.pipeline import Trace, segment
from cascade.sam.protocol import PromptableModel
from cascade.sam.registry import load_model
from cascade.synthesis import STAINS, synthesize
from cascade.types import UInt8Array

ROOT = Path(__file__).resolve().parent.parent
_GAP = 8


@dataclass(frozen=True)
class Example:
    """A bundled smear: what `synthesize` is called with."""

    seed: int
    shape: tuple[int, int]
    head_length: float
    stain: str

    def image(self) -> UInt8Array:
        """`(height, width, 3)` RGB."""
        return synthesize(self.seed, self.shape, self.head_length, self.stain).image


EXAMPLES = {
    "diff-quik-like.png": Example(18, (1024, 1280), 90.0, "diff-quik-like"),
    "haematoxylin-eosin.png": Example(99, (1024, 1280), 90.0, "haematoxylin-eosin"),
    "papanicolaou.png": Example(113, (540, 720), 50.0, "papanicolaou"),
}
SHOWN, EXPLAINED = "diff-quik-like.png", "papanicolaou.png"
SIX_STAGES = ("image", "foreground", "heads", "tails", "matches", "result")


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="tiny", help="as for cs3 segment")
    parser.add_argument("--device", default="auto", help="as for cs3 segment")
    options = parser.parse_args()
    images = {name: example.image() for name, example in EXAMPLES.items()}
    for name, image in images.items():
        _write(ROOT / "cascade" / "examples" / name, image)
    model = load_model(options.model, options.device)
    folder = ROOT / "docs" / "images"
    _write(folder / "overlay.png", _beside_overlay(images[SHOWN], model))
    pages, sheet = _explained(images[EXPLAINED], model)
    _write(folder / "contact-sheet.jpg", _narrowed(sheet, 1600))
    first = [next(page for page in pages if page.name.startswith(name)) for name in SIX_STAGES]
    _write(folder / "stages.jpg", _narrowed(contact_sheet(first, "CS3, stage by stage"), 1400))
    _write(folder / "stains.jpg", stains_sheet())


def stains_sheet(seed: int = 7, across: int = 4) -> UInt8Array:
    """One scene a stain, in the order of `STAINS`, row by row."""
    smears = [_narrowed(synthesize(seed, (512, 640), 50.0, name).image, 320) for name in STAINS]
    tiles = [np.pad(smear, ((2, 2), (2, 2), (0, 0)), constant_values=255) for smear in smears]
    rows = [np.hstack(tiles[start : start + across]) for start in range(0, len(tiles), across)]
    return np.asarray(np.vstack(rows), np.uint8)


def _beside_overlay(image: UInt8Array, model: PromptableModel, width: int = 640) -> UInt8Array:
    both = [_narrowed(picture, width) for picture in (image, draw(image, segment(image, model=model)))]
    gap = np.full((both[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([both[0], gap, both[1]])


def _explained(image: UInt8Array, model: PromptableModel) -> tuple[Sequence[Stage], UInt8Array]:
    trace, config = Trace(), CS3Config()
    result = segment(image, model=model, config=config, trace=trace)
    pages = stages(tell(image, trace, result, config))
    return pages, contact_sheet(pages, "What every stage saw and decided")


def _narrowed(picture: UInt8Array, width: int) -> UInt8Array:
    size = (width, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(path: Path, picture: UInt8Array) -> None:
    content, options = io.BytesIO(), {"quality": 88} if path.suffix == ".jpg" else {}
    Image.fromarray(picture).save(content, "JPEG" if options else "PNG", optimize=True, **options)
    write_bytes(path, content.getvalue())
    print(f"{path.relative_to(ROOT)}  {len(content.getvalue()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
