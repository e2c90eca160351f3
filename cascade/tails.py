"""S2…Sn, the cascade: single tails, round by round, each on an image without the tails understood so far."""

from __future__ import annotations

from collections.abc import Sequence

from cascade.config import TailsConfig
from cascade.looks.links import LinkLook
from cascade.necks import Neck
from cascade.preprocess import grown, paint_white
from cascade.rounds import RIM_HL, Encode, TailRound, beside, one_round, remembered, understood
from cascade.sam.protocol import DenseMaps
from cascade.types import BoolArray, Tail, UInt8Array


def find_tails(
    image: UInt8Array,
    seen: DenseMaps,
    heads: BoolArray,
    necks: Sequence[Neck],
    encode_left: Encode,
    head_length: float,
    config: TailsConfig,
    look: LinkLook | None = None,
) -> tuple[list[Tail], list[TailRound], BoolArray]:
    """Find single tails until a round adds nothing.

    Args:
        image: `(height, width, 3)` normalised RGB.
        seen: foreground of `image` itself: a tail is seen best where nothing has been painted over.
        heads: `(height, width)` pixels of the heads, a little grown, to be painted white.
        necks: where tails may begin.
        encode_left: encodes the image with what is understood painted white; returns the encoding and its
            foreground.
        head_length: pixels.
        config: of this stage.
        look: how links look in the image; None: that is not asked.

    Returns:
        The tails, what each round did, and the pixels painted white because they are understood.
    """
    gone, rim = heads, grown(heads, RIM_HL * head_length)
    tails: list[Tail] = []
    rounds: list[TailRound] = []
    for number in range(config.rounds):
        left = paint_white(image, gone)
        encoding, foreground = encode_left(left)
        encoded = encoding, remembered(foreground, seen, gone, rim)
        known = beside(tails, gone.shape, head_length)
        one = one_round(left, encoded, necks, known, f"S{number + 2}", head_length, config, look)
        rounds.append(one)
        tails += one.found
        if not one.found:
            break
        gone = gone | understood(one.found, one.rejected, gone.shape, head_length)
        if not one.rejected:
            break
    return tails, rounds, gone
