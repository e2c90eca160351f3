"""Weights of witnesses: how loudly each speaks, in log-odds, when links, pairs and sperm are judged.

The defaults are those of `cascade/weights.toml`, a file of the form that `cs3 fit` writes; its head says
where they come from. It has the form of any configuration: `--config` takes such a file too.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cascade.types import FloatArray

SHIPPED = Path(__file__).with_name("weights.toml")


@cache
def _shipped() -> dict[str, Any]:
    return tomllib.loads(SHIPPED.read_text("utf-8"))


class Weights(BaseModel):
    """One weight a witness, in the order in which the witnesses are computed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
    table: ClassVar[tuple[str, ...]]
    """Where they stand in a configuration."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Those that are not named are the shipped ones."""
        if not isinstance(values, dict):
            return values
        shipped: Any = _shipped()
        for name in cls.table:
            shipped = shipped[name]
        return {**shipped, **values}

    @classmethod
    def shipped(cls) -> Self:
        """The weights that come with the package."""
        return cls.model_validate({})

    @classmethod
    def names(cls) -> list[str]:
        """Of the witnesses, in order."""
        return list(cls.model_fields)

    @property
    def vector(self) -> FloatArray:
        """`(n,)` the weights, in order."""
        return np.array([getattr(self, name) for name in type(self).model_fields])


class JunctionWeights(Weights):
    """Log-odds of a line going on as another that meets it; witnesses of `cascade.continuation.witnesses`."""

    table: ClassVar[tuple[str, ...]] = ("tails", "links", "at_junction")

    constant: float
    """Of any two lines."""
    turn: float
    """Turn from the one's end to the other's, in units of 45°."""
    mutual: float
    """How far the model's masks of either cover the other, -1–1."""
    runs_on: float
    """Whether the direction towards the head runs on, -1–1."""
    aside: float
    """How far aside of each other they run, head lengths, summed over both."""
    unexpected: float
    """How much more or less they turn than their bends let expect, radians."""
    paler: float
    """Logarithm of how much darker one is than the other."""


class GapWeights(JunctionWeights):
    """The same across a gap, between branches and between pieces of tails."""

    table: ClassVar[tuple[str, ...]] = ("tails", "links", "across_gap")

    gap: float
    """Width of the gap, head lengths."""
    turned: float
    """How far the step across it turns from either end, 1 - cosine."""
    filled: float
    """Flagellum seen in it, 0–1: what is seen there and is not the line's own is another's."""


class NeckWeights(Weights):
    """Log-odds of a line ending at a neck."""

    table: ClassVar[tuple[str, ...]] = ("tails", "links", "at_neck")

    constant: float
    """Of any end near a neck."""
    straight: float
    """Cosine of the turn from the neck's direction to the line's."""
    distance: float
    """From the end to the neck, head lengths."""
    neck: float
    """Log-odds of the neck."""


class LinkWeights(BaseModel):
    """What judges how a line goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_junction: JunctionWeights = Field(default_factory=JunctionWeights.shipped)
    """Where lines meet."""
    across_gap: GapWeights = Field(default_factory=GapWeights.shipped)
    """Across gaps."""
    at_neck: NeckWeights = Field(default_factory=NeckWeights.shipped)
    """At the neck of a head."""


class PairWeights(Weights):
    """Log-odds of a tail leaving a head at one of its necks."""

    table: ClassVar[tuple[str, ...]] = ("matching", "weights")

    constant: float
    """Of any tail near any neck."""
    turn: float
    """From the neck's direction to the tail's, in units of 45°."""
    aside: float
    """From the neck's direction to the step from neck to tail, in units of 45°; less the shorter the step."""
    onwards: float
    """From that step to the tail's direction, likewise."""
    distance: float
    """From the tail's end to the head's outline, head lengths."""
    neck: float
    """Log-odds of the neck."""
    towards: float
    """Whether the direction map runs to this end, -1–1."""
    long: float
    """Length, as a share of a whole tail's."""
    score: float
    """The tail's score."""
    between: float
    """Flagellum seen between neck and tail, 0–1."""
    darker: float
    """Logarithm of how much darker the tail's first part is than the image's tails."""


class LookWeights(Weights):
    """Log-odds of a link or pair that was looked at: of the witnesses together, and of the look."""

    constant: float
    """Of any."""
    witnesses: float
    """Log-odds that the other witnesses give."""
    look: float
    """Log-odds that the look gives."""


class JunctionLookWeights(LookWeights):
    """Where lines meet."""

    table: ClassVar[tuple[str, ...]] = ("looks", "at_junction")


class GapLookWeights(LookWeights):
    """Across gaps between branches."""

    table: ClassVar[tuple[str, ...]] = ("looks", "across_gap")


class JoiningLookWeights(LookWeights):
    """Between pieces of tails."""

    table: ClassVar[tuple[str, ...]] = ("looks", "joining")


class MatchingLookWeights(LookWeights):
    """Between a head and a tail."""

    table: ClassVar[tuple[str, ...]] = ("looks", "matching")


class ScoreWeights(Weights):
    """Log-odds of a complete sperm being right."""

    table: ClassVar[tuple[str, ...]] = ("instances", "weights")

    constant: float
    """Of any pair."""
    pair: float
    """Log-odds of the pair."""
    tail: float
    """Log-odds of the tail's score."""
    length: float
    """Of the tail, head lengths, at most 10."""
