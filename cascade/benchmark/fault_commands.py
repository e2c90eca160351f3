"""`cs3 faults`: when do bad pictures get a note, and do they do harm?"""

from __future__ import annotations

from typing import Annotated

import typer

from cascade.benchmark.options import (
    After,
    Config,
    Data,
    Device,
    Experts,
    Images,
    Limit,
    Listed,
    Model,
    Sample,
    Until,
    day,
    separated,
)
from cascade.console import FAILED, reported, say

app = typer.Typer(add_completion=False)


@app.command()
def faults(
    data: Data,
    *,
    images: Images,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--faults", metavar="NAMES", help="Only these: none, blur, stain, light, fields."),
    ] = None,
    experts: Experts = None,
    until: Until = None,
    after: After = None,
    listed: Listed = None,
    sample: Sample = 1,
    limit: Limit = None,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
) -> None:
    """Blur, fade, darken, overexpose and pile up good pictures, and show how many get a note, and F1.

    Strengths: blur in head lengths (sigma), stain and light in times, fields in numbers.
    """
    with reported():
        # What takes time to import waits until it is needed.
        from cascade.benchmark.faults import FAULTS, as_markdown, try_fault  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, outlined  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415
        from cascade.pipeline import segment  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415
        from cascade.types import Result, UInt8Array  # noqa: PLC0415

        wanted = separated(kinds or []) or list(FAULTS)
        if unknown := sorted(set(wanted) - set(FAULTS)):
            raise typer.BadParameter(f"expected any of {', '.join(FAULTS)}, got {', '.join(unknown)}")
        configuration = CS3Config() if config is None else CS3Config.from_toml(config)
        selection = Selection(listed, day(until), day(after), sample, limit)
        raters, files = outlined(separated(data), images, separated(experts or []), selection)
        loaded = load_model(model, device)

        def run(pixels: UInt8Array) -> Result:
            return segment(pixels, model=loaded, config=configuration)

    with reported(FAILED):
        head_lengths: dict[str, float] = {}
        trials = []
        for fault in wanted:
            for strength in FAULTS[fault]:
                trials.append(try_fault(fault, strength, files, raters, run, head_lengths))
                say(f"{fault} {strength:g}: {trials[-1].noted} of {trials[-1].images} with a note")
    typer.echo(as_markdown(trials), nl=False)
