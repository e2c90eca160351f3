"""The ablations of CS3 as methods: built up stage by stage, and the whole with one thing left out.

In `cs3:to-…` the pipeline ends with the stage named. Until the matching rules are added, whatever lies
nearest is joined (see `cascade.benchmark.pairing`): so the rules are compared with what anybody would do
without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cascade.benchmark import pairing
from cascade.comparators.cs3 import CS3
from cascade.comparators.protocol import Method
from cascade.config import CS3Config
from cascade.instances import assemble
from cascade.pipeline import Trace, segment
from cascade.sam.protocol import PromptableModel
from cascade.types import Result, UInt8Array
from cascade.widths import darkness

WHOLE, PREFIX = "cs3", "cs3:"
GROUP = "cs3:stages"
"""Stands for all of `ABLATIONS`, the whole among them."""
ABLATIONS: Mapping[str, str] = {
    "cs3:to-S1": "heads alone",
    "cs3:to-S2": "+ tails, one round",
    "cs3:to-Sn": "+ further rounds",
    "cs3:to-knots": "+ knots",
    "cs3:to-matching": "+ matching rules",
    "cs3:to-joining": "+ joining",
    WHOLE: "+ looks: the whole",
    "cs3:one-round": "the whole without further rounds",
    "cs3:no-knots": "the whole without knots",
    "cs3:no-direction": "the whole without the model's direction map",
}
"""Name → what it is, in the order of tables."""
_NEAR_HL = 20 / 36
"""Without the rules, an end of a tail within this distance of a head's end is joined to it (the paper's)."""


@dataclass(frozen=True)
class Variant:
    """One way to run the pipeline.

    Attributes:
        config: of its stages.
        rules: whether heads and tails are matched by the matching stage, or whatever lies nearest is joined.
    """

    config: CS3Config
    rules: bool = True


def ablation(name: str, model: PromptableModel, config: CS3Config) -> Method:
    """A method of `ABLATIONS`; the configuration is that of the whole."""
    variant = variants(config)[name]
    if variant.rules:
        return CS3(model, variant.config, name)
    code = hashlib.sha256(Path(pairing.__file__).read_bytes()).hexdigest()
    return CS3(model, variant.config, name, run=_joined_by_nearness, settings={"nearest": code})


def variants(config: CS3Config) -> dict[str, Variant]:
    """Every variant: stages added up, then the whole configuration less one thing at a time."""
    nearest = {"use_direction": False}
    one_round = {"rounds": min(1, config.tails.rounds)}
    unseen = config.changed(looks={"enabled": False})
    unjoined = unseen.changed(joining={"enabled": False})
    cascade = unjoined.changed(knots={"enabled": False})
    ways = (
        *(
            Variant(one.changed(matching=nearest), rules=False)
            for one in (
                cascade.changed(tails={"rounds": 0}),
                cascade.changed(tails=one_round),
                cascade,
                unjoined,
            )
        ),
        Variant(unjoined),
        Variant(unseen),
        Variant(config),
        Variant(config.changed(tails=one_round)),
        Variant(config.changed(knots={"enabled": False})),
        Variant(config.changed(tails={"use_direction": False}, matching={"use_direction": False})),
    )
    return dict(zip(ABLATIONS, ways, strict=True))


def _joined_by_nearness(image: UInt8Array, model: PromptableModel, config: CS3Config) -> Result:
    """The pipeline's heads and tails, paired without the rules."""
    trace = Trace()
    result = segment(image, model=model, config=config, trace=trace)
    pairs = pairing.nearest_pairs(trace.heads, trace.tails, _NEAR_HL * result.head_length)
    sperm = assemble(
        trace.heads,
        trace.tails,
        pairs,
        result.head_length,
        result.shape,
        config.instances,
        None if trace.normalised is None else darkness(trace.normalised),
    )
    return replace(result, sperm=sperm)
