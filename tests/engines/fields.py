"""Parts of a bundled example with whole sperm: minutes are precious."""

from pathlib import Path

from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "cascade" / "examples" / "papanicolaou.png"
CONFIG = {"preprocess": {"head_length_px": 49}, "tails": {"rounds": 2}}


def write_fields(folder):
    """`0.png` to `3.png`; returns the folder."""
    folder.mkdir()
    example = Image.open(EXAMPLE).convert("RGB")
    for number, (left, upper) in enumerate([(60, 40), (200, 100), (300, 200), (100, 250)]):
        example.crop((left, upper, left + 240, upper + 200)).save(folder / f"{number}.png")
    return folder
