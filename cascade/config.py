"""Every threshold of the cascade, with its unit and meaning: one frozen model a stage.

Lengths are in head lengths (`_hl`): the median long axis of the heads that S1 found. So one configuration
serves every magnification.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cascade.errors import ConfigError
from cascade.weights import (
    GapLookWeights,
    JoiningLookWeights,
    JunctionLookWeights,
    LinkWeights,
    MatchingLookWeights,
    PairWeights,
    ScoreWeights,
)


class _Stage(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )


class PreprocessConfig(_Stage):
    """Image → normalised image, and foreground for models without dense maps."""

    foreground: Literal["auto", "whitening"] = "auto"
    """`auto`: the model's dense maps where it offers them; `whitening`: background whitening always."""
    encode: Literal["auto", "once", "every round"] = "auto"
    """How often the model looks at the whole image. `once`: what is understood is taken out of its maps;
    `every round`: it looks again, all that is understood painted white (paper); `auto`: once where the model
    offers dense maps."""
    head_length_px: float | None = Field(None, gt=0)
    """Head length in pixels, used with fewer than three heads in an image; None: what one or two heads tell,
    or 36 per 720 px of width."""


class HeadsConfig(_Stage):
    """S1: heads."""

    rounds: int = Field(3, ge=1, le=20)
    """Rounds at most; a round that finds no new head is the last."""
    prompts: Literal["foreground", "grid"] = "foreground"
    """Centres of blobs, or a dense grid over the image."""
    grid_side: int = Field(32, ge=2, le=128)
    """Points a side of the dense grid."""
    probability: float = Field(0.5, gt=0, lt=1)
    """A pixel is head above this value of the foreground's head map."""
    min_area_hl2: float = Field(0.25, ge=0)
    """Smaller heads are debris (square head lengths)."""
    min_area_at_border_hl2: float = Field(0.3, ge=0)
    """Of a head that the border cuts at least this much must be in view: about three fifths."""
    max_area_hl2: float = Field(1.6, gt=0)
    """Larger ones too."""
    min_solidity: float = Field(0.82, ge=0, le=1)
    """Heads are convex: what fills less of its convex hull is debris."""
    apart_hl: float = Field(0.4, gt=0)
    """No two prompts are nearer than this."""
    min_score: float = Field(0.3, ge=0, le=1)
    """Heads of lower score are dropped."""
    min_purple: float = Field(0.4, ge=0, le=1)
    """Share of a mask that must lie on head colour, as the foreground tells it (paper: 40 %)."""


class TailsConfig(_Stage):
    """S2…Sn: single tails."""

    rounds: int = Field(3, ge=0, le=20)
    """Rounds at most; a round that adds nothing is the last."""
    prompts: Literal["foreground", "grid"] = "foreground"
    """Points along the foreground's skeleton, or a dense grid over the image."""
    grid_side: int = Field(32, ge=2, le=128)
    """Points a side of the dense grid."""
    probability: float = Field(0.5, gt=0, lt=1)
    """A pixel is flagellum above this value of the foreground's tail map."""
    spacing_hl: float = Field(0.35, gt=0)
    """Distance between the points of a prompt."""
    spur_hl: float = Field(0.25, ge=0)
    """Shorter side branches of a skeleton are thorns (paper: 25 px)."""
    gap_hl: float = Field(0.7, ge=0)
    """Gaps of a skeleton that are bridged, at most (paper: 25 px)."""
    min_length_hl: float = Field(0.5, ge=0)
    """Shorter tails are debris."""
    min_bend_deg: float = Field(90, ge=0, le=180)
    """A tail that bends more sharply off its ends is no single tail (180: straight; paper: 130)."""
    use_direction: bool = True
    """Whether the model's direction map helps to say which way a tail goes on."""
    min_link: float = Field(0.35, ge=0, le=1)
    """A tail goes on where continuing is at least this sure."""
    min_score: float = Field(0.4, ge=0, le=1)
    """Tails of lower score are left to the next round."""
    links: LinkWeights = Field(default_factory=LinkWeights)
    """What judges how a tail goes on, in rounds, knots and joining."""


class KnotsConfig(_Stage):
    """What no round could take apart: enlarged and thickened."""

    enabled: bool = True
    """Whether knots are taken apart at all."""
    enlarge: float = Field(1.3, ge=1, le=8)
    """Magnification."""
    bold_hl: float = Field(0.02, ge=0, le=0.5)
    """Lines are thickened by this much on each side."""
    min_score: float = Field(0.2, ge=0, le=1)
    """Tails of lower score are dropped."""


class JoiningConfig(_Stage):
    """Pieces of one tail from different rounds → one tail."""

    enabled: bool = True
    """Whether pieces are joined at all."""
    gap_hl: float = Field(1.7, ge=0)
    """Longest gap between two pieces: where tails lie on each other, only one of them got the stretch."""
    min_link: float = Field(0.15, ge=0, le=1)
    """Two pieces are joined when it is at least this sure."""


class MatchingConfig(_Stage):
    """Heads × tails → pairs."""

    max_distance_hl: float = Field(2.0, gt=0)
    """λ_dis: from an end of the tail to an end of the head's long axis, at most (paper: 20 px)."""
    max_angle_deg: float = Field(180, gt=0, le=180)
    """λ_angle: between the tail's first part and the head's long axis, at most (paper: 60°)."""
    min_score: float = Field(0.15, ge=0, le=1)
    """A head and a tail are paired when it is at least this sure."""
    use_direction: bool = True
    """Whether the model's direction map says which end of a tail is its head's."""
    use_polarity: bool = True
    """Whether tails are looked for at the darker end of a head: at the other end is its acrosome."""
    weights: PairWeights = Field(default_factory=PairWeights.shipped)
    """What judges whether a tail leaves a head."""


class LooksConfig(_Stage):
    """Links and pairs as a small network sees them; for models with dense maps, like `tiny`."""

    enabled: bool = True
    """Whether they are looked at; else the other witnesses judge alone."""
    at_junction: JunctionLookWeights = Field(default_factory=JunctionLookWeights.shipped)
    """How much a look says where lines meet."""
    across_gap: GapLookWeights = Field(default_factory=GapLookWeights.shipped)
    """Across gaps between branches."""
    joining: JoiningLookWeights = Field(default_factory=JoiningLookWeights.shipped)
    """Between pieces of tails."""
    matching: MatchingLookWeights = Field(default_factory=MatchingLookWeights.shipped)
    """Between a head and a tail."""


class InstancesConfig(_Stage):
    """Pairs → sperm."""

    min_tail_width_hl: float = Field(0.08, gt=0)
    """Least width of a flagellum."""
    max_tail_width_hl: float = Field(0.15, gt=0)
    """Greatest width of a flagellum."""
    weights: ScoreWeights = Field(default_factory=ScoreWeights.shipped)
    """What judges whether a sperm is right: its score."""


class DoublesConfig(_Stage):
    """Heads with two tails and tails with two heads: when a part that is alone is said to be such."""

    enabled: bool = True
    """Whether they are looked for at all."""
    min_score: float = Field(0.6, ge=0, le=1)
    """The second one fits at least this surely."""
    max_distance_hl: float = Field(0.3, ge=0)
    """A tail begins this near to the head's outline, at most."""
    min_length_hl: float = Field(2.0, ge=0)
    """A second tail is at least this long."""
    min_tail_score: float = Field(0.4, ge=0, le=1)
    """A second tail is at least this sure."""
    min_head_score: float = Field(0.6, ge=0, le=1)
    """A second head is at least this sure."""
    max_beside: float = Field(0.3, ge=0, le=1)
    """What runs beside the first tail for more of its length is that tail's halo."""


class NotesConfig(_Stage):
    """When an image gets a note: what is beyond these limits is out of focus, faint, overstained, tangled."""

    enabled: bool = True
    """Whether images get notes at all."""
    max_edge_hl: float = Field(0.15, gt=0)
    """Heads whose edges are wider are out of focus."""
    min_tail_contrast: float = Field(7.0, ge=0)
    """Tails that stand out from the background by fewer standard deviations of its noise are faint."""
    max_head_density: float = Field(0.55, gt=0)
    """Heads of greater optical density (log10, mean of the colours) are overstained."""
    max_flagellum: float = Field(0.75, gt=0)
    """More flagellum (head lengths in a square head length of the image) is a tangle."""
    max_light: float = Field(250, ge=0, le=255)
    """A brighter background (0–255, as photographed) is overexposed: faint tails are lost in it."""
    min_light: float = Field(25, ge=0, le=255)
    """A darker one is underexposed."""


class CS3Config(_Stage):
    """The configuration of a run."""

    preprocess: PreprocessConfig = PreprocessConfig()
    heads: HeadsConfig = HeadsConfig()
    tails: TailsConfig = TailsConfig()
    knots: KnotsConfig = KnotsConfig()
    looks: LooksConfig = LooksConfig()
    joining: JoiningConfig = JoiningConfig()
    matching: MatchingConfig = MatchingConfig()
    instances: InstancesConfig = InstancesConfig()
    doubles: DoublesConfig = DoublesConfig()
    notes: NotesConfig = NotesConfig()

    @classmethod
    def paper(cls) -> CS3Config:
        """The published setting, its pixels at 720×540 turned into head lengths of 36 px."""
        return cls(
            preprocess=PreprocessConfig(foreground="whitening", encode="every round"),
            heads=HeadsConfig(rounds=20, prompts="grid", min_purple=0.4),
            tails=TailsConfig(
                rounds=20,
                prompts="grid",
                grid_side=32,
                spur_hl=25 / 36,
                gap_hl=25 / 36,
                min_bend_deg=130,
                use_direction=False,
            ),
            knots=KnotsConfig(enlarge=2),
            looks=LooksConfig(enabled=False),
            joining=JoiningConfig(enabled=False),
            matching=MatchingConfig(
                max_distance_hl=20 / 36,
                max_angle_deg=60,
                min_score=0,
                use_direction=False,
                use_polarity=False,
            ),
        )

    @classmethod
    def from_toml(cls, path: Path) -> CS3Config:
        """Read a TOML file: one table a stage, only what differs from the defaults.

        Raises:
            ConfigError: unreadable, not TOML, an unknown key, or a value out of range.
        """
        try:
            return cls.parse(tomllib.loads(path.read_text("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}).") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML: {error}.") from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def changed(self, **stages: Mapping[str, Any]) -> CS3Config:
        """The same with some values changed, by stage: `config.changed(tails={"rounds": 1})`.

        Raises:
            ConfigError: an unknown stage or key, or a value out of range.
        """
        values = self.model_dump()
        return self.parse(values | {stage: {**values.get(stage, {}), **own} for stage, own in stages.items()})

    @classmethod
    def parse(cls, values: dict[str, Any]) -> CS3Config:
        """Validate nested values.

        Raises:
            ConfigError: an unknown key, or a value out of range, by name.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [
                f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']} (found {one['input']!r})"
                for one in error.errors()
            ]
            raise ConfigError("; ".join(lines)) from error
