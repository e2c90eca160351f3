"""How links and pairs look in the picture: a small network, taught on synthetic smears, judges them by eye.

`picture.py` cuts a small picture of each out of the image, `network.py` looks at it, `image.py` asks about
all of an image at once.
"""

from pathlib import Path

WEIGHTS = Path(__file__).with_name("weights") / "looks.safetensors"
"""What the judge has learnt; it ships with the package."""
