"""What the cards of weights say of each architecture, beside what the files say themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascade.looks.network import ARCHITECTURE
from cascade.sam.tiny import WORKING_HEAD_LENGTH
from cascade.training.settings import SUPERVISED, LooksTraining, TinyTraining


@dataclass(frozen=True)
class About:
    """What a card says of an architecture.

    Attributes:
        description: what it is; `{parameters}` stands for their number.
        licence: of the weights.
        use: a command that uses a file of it; `{weights}` stands for its name.
        data: what it was taught on.
        limits: what it is not for.
        default: settings that the command needs not name.
        files: options of the command that name its files.
    """

    description: str
    licence: str
    use: str
    data: str
    limits: str
    default: object
    files: str = "--out DIR"


def about_architecture(name: str, training: Mapping[str, Any]) -> About:
    """What a card says of an architecture, by its name, and by the note of how the weights were trained."""
    if name in SUPERVISED:
        return _about_method(name)
    if name == ARCHITECTURE:
        return _about_looks()
    about = _about_tiny()
    return replace(about, data=_UNLABELLED, files=_FOLDERS) if training.get("unlabelled") else about


_FOLDERS = "--unlabelled FOLDER --out DIR"
_UNLABELLED = """\
**Data**: synthetic smears, drawn while it learnt, and unlabelled photographs, of which it was taught what the
cascade understood of them before. No human labels were used. Conditions of the photographs may apply to the
weights."""


def _about_tiny() -> About:
    return About(
        description="""\
A promptable segmentation model for stained sperm: Segment Anything's prompt encoder and mask decoder behind a
small convolutional image encoder ({parameters} parameters). For prompts on a sperm it returns the
whole sperm, its head, or its flagellum; without prompts it offers dense maps of heads, flagella and their
direction. For research use, not a medical device.""",
        licence="Apache-2.0",
        use="cs3 segment --model {weights} INPUT... --out DIR",
        data="""\
**Data**: synthetic smears alone, drawn while it learnt. No human labels and no photographs were used, so no
condition of any data set applies to the weights.""",
        limits=f"""\
Synthetic smears look like bright-field photographs of stained smears; CS3 rescales an image so that a head is
about {WORKING_HEAD_LENGTH:.0f} pixels long. Unstained, fluorescent and phase-contrast images are outside
what it was taught. It does not judge morphology, and its masks are no diagnosis.""",
        default=TinyTraining(),
    )


def _about_looks() -> About:
    return About(
        description="""\
A small network ({parameters} parameters) that looks at a link between two lines, or at a tail beside a head,
and says how likely both are of one sperm. For research use, not a medical device.""",
        licence="Apache-2.0",
        use="cs3 segment INPUT... --out DIR",
        data="""\
**Data**: links and pairs that the cascade came upon in synthetic smears, whose truth says which are right. No
human labels and no photographs were used, so no condition of any data set applies to the weights.""",
        limits="""\
It was taught on what `tiny` and the rules of the cascade propose in bright-field pictures of stained smears,
and knows nothing of others.""",
        default=LooksTraining(),
    )


_METHODS = {
    "unet": """\
A U-Net with a ResNet-18 encoder ({parameters} parameters). It marks the parts of sperm as maps, from which
CS3 makes sperm: pieces of the head map, each with the flagellum that the greedy walk finds for it. A method
to compare CS3 with. For research use, not a medical device.""",
    "maskrcnn": """\
Mask R-CNN with a ResNet-18 and a feature pyramid, group normalisation throughout ({parameters} parameters).
It finds whole sperm and heads as instances; each sperm takes the head that it contains. A method to compare
CS3 with. For research use, not a medical device.""",
}


def _about_method(name: str) -> About:
    return About(
        description=_METHODS[name],
        licence="academic, non-commercial: see LICENSE.md beside this card",
        use=f"cs3 benchmark DATA --methods {name} --out DIR",
        data="""\
**Data**: images and outlines of the Sperm Parsing Dataset (Chen et al., CP-Net), three experts, up to the
date that the command names; the latest of these days were held out. From scratch: weights of other pictures
were not used. The weights inherit the data set's licence: academic and other non-commercial use alone.""",
        limits="""\
It was taught on smears of one source with few stains, and sees an image 640 pixels wide. Other stains,
magnifications and cameras are outside what it was taught. Its masks are no diagnosis.""",
        default=SUPERVISED[name],
        files="--data EXPERT.json ... --until DATE --out DIR",
    )
