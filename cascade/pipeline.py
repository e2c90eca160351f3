"""Every stage in order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cascade.config import CS3Config, LooksConfig
from cascade.doubles import find_doubles, remark_on
from cascade.errors import ImageError
from cascade.field import Field, measure_field, notes_on
from cascade.head_length import ENOUGH_HEADS, find_scale, median_length
from cascade.heads import HeadRound, find_heads, pixels_of
from cascade.instances import assemble
from cascade.joining import join_pieces
from cascade.knots import Knot, untie
from cascade.lengths import having_a_head
from cascade.looks.image import ImageLooks
from cascade.looks.links import LinkLook
from cascade.looks.picture import Canvas
from cascade.matching import PairLook, Views, best_total, fitting, match
from cascade.necks import Neck, find_necks
from cascade.preprocess import background, grown, normalise, paint_white
from cascade.preprocess import foreground as whitened_foreground
from cascade.rounds import TailRound, beside
from cascade.sam.protocol import DenseMaps, Encoding, PromptableModel
from cascade.tails import find_tails
from cascade.tracing import Tracer
from cascade.types import BoolArray, FloatArray, Head, Note, Pair, Result, Sperm, Tail, UInt8Array
from cascade.widths import darkness

_HEAD_MARGIN_HL = 0.07
"""Heads are grown by this before they are taken out: their stain fades at the edge."""


@dataclass(eq=False)
class Trace:
    """What every stage saw and decided, for `cs3 explain`; filled when it is handed to `segment`."""

    normalised: UInt8Array | None = None
    foreground: DenseMaps | None = None
    head_rounds: list[HeadRound] = field(default_factory=list)
    tail_rounds: list[TailRound] = field(default_factory=list)
    left: UInt8Array | None = None
    knots: list[Knot] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    necks: list[Neck] = field(default_factory=list)
    views: Views = field(default_factory=Views)
    pieces: list[Tail] = field(default_factory=list)
    """Tails before joining."""
    joiner: Tracer | None = None
    """What judged how the pieces go on."""
    tails: list[Tail] = field(default_factory=list)
    fits: Mapping[tuple[int, int], Pair] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    measures: Field | None = None


def segment(
    image: UInt8Array | str | Path,
    *,
    model: PromptableModel | None = None,
    config: CS3Config | None = None,
    pixel_size: float | None = None,
    trace: Trace | None = None,
) -> Result:
    """Find every sperm of a stained smear.

    Args:
        image: `(height, width, 3)` RGB uint8, or the path of an image file with one page.
        model: from `load_model`; None loads `tiny` on the best device.
        config: None is the default configuration.
        pixel_size: µm a pixel, where known.
        trace: takes what every stage saw.

    Raises:
        ImageError: not an image, or an array of another form.
        ModelError: the model cannot be loaded.
    """
    pixels, pixel_size = _pixels(image, pixel_size)
    config = config or CS3Config()
    model = model or _default_model()
    trace = trace if trace is not None else Trace()
    clock = _Clock()
    shape = pixels.shape[:2]

    with clock("preprocess"):
        light = background(pixels)
        normalised = normalise(pixels, light)
        dark = darkness(normalised)

    def look(picture: UInt8Array, length: float) -> tuple[Encoding, DenseMaps]:
        encoding = model.encode(picture, length)
        if encoding.dense is None or config.preprocess.foreground == "whitening":
            return encoding, whitened_foreground(picture, length)
        return encoding, encoding.dense

    def encode(picture: UInt8Array) -> tuple[Encoding, DenseMaps]:
        return look(picture, head_length)

    def encode_left(picture: UInt8Array) -> tuple[Encoding, DenseMaps]:
        """What is left of the image: its first look, or another at the painted picture."""
        return first if _once(first[0], config) else encode(picture)

    with clock("heads"):
        scale = find_scale(normalised, lambda length: look(normalised, length), config)
        first, head_length, source = scale.first, scale.head_length, scale.source
        heads, head_rounds = find_heads(normalised, first, encode_left, head_length, config.heads)
        if len(heads) >= ENOUGH_HEADS:
            head_length, source = median_length(heads, shape), "measured"
        elif heads and source == "few heads":
            head_length = median_length(heads, shape)
    foreground = first[1]

    inside = pixels_of(heads, shape)
    looks = look_at(dark, first, inside, head_length, config.looks)
    with clock("tails"):
        covered = grown(inside, _HEAD_MARGIN_HL * head_length)
        necks = find_necks(heads, dark if config.matching.use_polarity else None)
        tails, tail_rounds, gone = find_tails(
            normalised, foreground, covered, necks, encode_left, head_length, config.tails, looks.links
        )
    with clock("knots"):
        more, knots = untie(
            normalised,
            gone,
            covered,
            foreground,
            encode_left,
            encode,
            head_length,
            config.knots,
            config.tails,
            beside(tails, shape, head_length),
            necks,
            looks.links,
        )
        pieces = tails + more
    trace.normalised, trace.foreground = normalised, foreground
    trace.head_rounds, trace.tail_rounds, trace.left, trace.knots = (
        head_rounds,
        tail_rounds,
        paint_white(normalised, gone),
        knots,
    )
    trace.pieces, trace.heads, trace.necks = pieces, heads, necks
    sperm = _put_together(trace, first, dark, head_length, config, looks, clock)
    notes: tuple[Note, ...] = ()
    if config.notes.enabled:
        with clock("notes"):
            seen = tail_rounds[0].skeleton if tail_rounds else None
            trace.measures = measure_field(light, dark, heads, trace.tails, seen, head_length)
            notes = notes_on(trace.measures, len(heads), config.notes)
    return Result(
        shape=shape,
        sperm=sperm,
        head_length=head_length,
        head_length_source=source,
        pixel_size=pixel_size,
        seconds=clock.seconds,
        model=model.name,
        model_sha256=model.sha256,
        notes=notes,
    )


@dataclass(frozen=True, eq=False)
class Looks:
    """Who looks at links in rounds and knots, between pieces of tails, and at pairs; None: nobody."""

    links: LinkLook | None = None
    joining: LinkLook | None = None
    pairs: PairLook | None = None


def look_at(
    dark: FloatArray,
    first: tuple[Encoding, DenseMaps],
    heads: BoolArray,
    head_length: float,
    config: LooksConfig,
) -> Looks:
    """Make ready to look at links and pairs, where the model has dense maps, as the judge was taught with."""
    if not config.enabled or first[0].dense is None:
        return Looks()
    from cascade.looks.network import load_judge  # noqa: PLC0415  torch is loaded only where a model is

    image = ImageLooks(load_judge(), Canvas.of(dark, first[1].tail, heads, head_length))
    return Looks(
        LinkLook(image, config.at_junction, config.across_gap),
        LinkLook(image, config.joining, config.joining),
        PairLook(image, config.matching),
    )


def _put_together(
    trace: Trace,
    first: tuple[Encoding, DenseMaps],
    dark: FloatArray,
    head_length: float,
    config: CS3Config,
    looks: Looks,
    clock: _Clock,
) -> tuple[Sperm, ...]:
    """Match heads and pieces of tails, join the pieces, match anew, assemble; the trace takes it all."""
    heads, pieces = trace.heads, trace.pieces
    with clock("matching"):
        views = Views.of(first[1], dark, trace.necks)
        pairs = match(heads, pieces, head_length, config.matching, views, looks.pairs)
    with clock("joining"):
        at_heads = [(pair.tail, 1 if pair.reverse else 0) for pair in pairs]
        tails, joiner = join_pieces(
            pieces, at_heads, dark, first, head_length, config.joining, config.tails, looks.joining
        )
    with clock("matching"):
        # Of pieces it is not known how long their tails are.
        prior = having_a_head(tails, head_length, dark.shape) if config.joining.enabled else None
        fits = fitting(heads, tails, head_length, config.matching, views, looks.pairs, prior)
        pairs = best_total(fits, config.matching, prior)
    trace.views, trace.joiner, trace.tails, trace.fits, trace.pairs = views, joiner, tails, fits, pairs
    with clock("instances"):
        sperm = assemble(heads, tails, pairs, head_length, dark.shape, config.instances, dark)
        doubles = find_doubles(heads, tails, pairs, fits, head_length, dark.shape, config.doubles)
        return remark_on(sperm, doubles, heads, tails, pairs)


def _once(encoding: Encoding, config: CS3Config) -> bool:
    """Whether the first look at the image serves all rounds."""
    asked = config.preprocess.encode
    return asked == "once" or (asked == "auto" and encoding.dense is not None)


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        spent = self.seconds.get(stage, 0.0) + time.perf_counter() - began
        self.seconds[stage] = round(spent, 4)


def _pixels(image: UInt8Array | str | Path, pixel_size: float | None) -> tuple[UInt8Array, float | None]:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ImageError(
                f"expected a (height, width, 3) RGB uint8 array, found {image.dtype} {image.shape}; "
                "convert it, or hand over the path of the image file."
            )
        return image, pixel_size
    from cascade.images import read_images  # noqa: PLC0415  reading files needs libraries that arrays do not

    pages = list(read_images(Path(image)))
    if len(pages) != 1:
        raise ImageError(f"{image}: has {len(pages)} pages; segment each page's array, or use `cs3 segment`.")
    return pages[0].pixels, pixel_size or pages[0].pixel_size


def _default_model() -> PromptableModel:
    from cascade.sam.registry import load_model  # noqa: PLC0415  torch is loaded only where a model is

    return load_model()
