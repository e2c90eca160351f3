"""`cs3 costs`: what prompts, architectures and mistakes cost: time, memory, accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cascade.benchmark.options import (
    GO_ON,
    After,
    Config,
    Data,
    Device,
    Images,
    Limit,
    Listed,
    Model,
    Out,
    Resume,
    Sample,
    Until,
    day,
    separated,
)
from cascade.console import FAILED, reported, say

app = typer.Typer(
    help="Measure what prompts, architectures and mistakes cost: time, memory, accuracy.",
    no_args_is_help=True,
)


@app.command("prompts")
def prompts_command(
    data: Data,
    *,
    images: Images,
    out: Out,
    until: Until = None,
    after: After = None,
    listed: Listed = None,
    sample: Sample = 1,
    limit: Limit = 8,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
    resume: Resume = False,
) -> None:
    """Compare prompts on the foreground with the dense grid: prompts decoded, time, what is found.

    Writes prompts.json, prompts.md and each variant's prediction. Without --limit 8 images: the grid is slow.
    """
    with reported():
        from cascade.batch import check_out  # noqa: PLC0415  what takes time to import waits until it is needed
        from cascade.benchmark.annotations import read_annotations  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.display import BenchmarkDisplay  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, find_images  # noqa: PLC0415
        from cascade.benchmark.tables import write_report  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415
        from cascade.costs import prompts  # noqa: PLC0415
        from cascade.costs.comparison import Comparison, compare  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415

        variants = prompts.variants(CS3Config() if config is None else CS3Config.from_toml(config))
        check_out(out, resume)
        truths = [Path(name) for name in separated(data)]
        known = [name for path in truths for name in read_annotations(path)]
        selection = Selection(listed, day(until), day(after), sample, limit)
        files = find_images(known, images, selection)
        comparison = Comparison(truths, files, out, load_model(model, device), describe(device), resume)
    with reported(FAILED, GO_ON), BenchmarkDisplay() as display:
        document = compare(comparison, variants, display)
        text = prompts.as_markdown(document)
        write_report(out, "prompts", document, text)
    typer.echo(text, nl=False)


@app.command("oracle")
def oracle_command(
    data: Data,
    *,
    images: Images,
    out: Out,
    until: Until = None,
    after: After = None,
    listed: Listed = None,
    sample: Sample = 1,
    limit: Limit = None,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
    resume: Resume = False,
) -> None:
    """Tell the pipeline true heads, foreground, links or matches: how much nearer it comes to the experts.

    The first expert in DATA tells, all score. Writes oracle.json, oracle.md and each row's prediction.
    """
    with reported():
        from cascade.batch import check_out  # noqa: PLC0415
        from cascade.benchmark.annotations import read_annotations  # noqa: PLC0415
        from cascade.benchmark.datasets import Dataset, common_images  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.display import BenchmarkDisplay  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, find_images  # noqa: PLC0415
        from cascade.benchmark.tables import write_report  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415
        from cascade.costs import oracle  # noqa: PLC0415
        from cascade.costs.comparison import Comparison  # noqa: PLC0415
        from cascade.sam.registry import load_model  # noqa: PLC0415

        settings = CS3Config() if config is None else CS3Config.from_toml(config)
        check_out(out, resume)
        truths = [Path(name) for name in dict.fromkeys(separated(data))]
        experts = [Dataset(str(path), path, read_annotations(path)) for path in truths]
        selection = Selection(listed, day(until), day(after), sample, limit)
        files = find_images(common_images(experts), images, selection)
        comparison = Comparison(truths, files, out, load_model(model, device), describe(device), resume)
    with reported(FAILED, GO_ON), BenchmarkDisplay() as display:
        document = oracle.run_oracle(comparison, settings, display)
        text = oracle.as_markdown(document)
        write_report(out, "oracle", document, text)
    typer.echo(text, nl=False)


@app.command("architectures")
def architectures_command(
    *,
    out: Out,
    architectures: Annotated[
        str, typer.Option("--architectures", metavar="NAMES", help="Of vit_b, vit_l and vit_h.")
    ] = "vit_b,vit_h",
    device: Device = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the synthetic smear.")] = 0,
    width: Annotated[int, typer.Option("--width", min=16, help="Of the smear, pixels.")] = 1280,
    height: Annotated[int, typer.Option("--height", min=16, help="Of the smear, pixels.")] = 1024,
    head_length: Annotated[
        float, typer.Option("--head-length", metavar="PX", help="Length of a head.")
    ] = 90.0,
) -> None:
    """Run the pipeline with Meta's architectures, random weights, on a synthetic smear: time, memory.

    Writes architectures.json and architectures.md. On a CPU, vit_h takes minutes for every encoding.
    """
    with reported():
        from cascade.batch import check_out  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.tables import write_report  # noqa: PLC0415
        from cascade.costs import architectures as meta  # noqa: PLC0415

        names = architectures.split(",")
        if unknown := sorted(set(names) - set(meta.NAMES)):
            raise typer.BadParameter(
                f"expected any of {','.join(meta.NAMES)}, got {','.join(unknown)}",
                param_hint="--architectures",
            )
        check_out(out, resume=False)
        words = describe(device)
    with reported(FAILED):
        field = meta.Field(seed, (height, width), head_length)
        entries = meta.run_architectures(names, field, device, meta.measured_apart, say)
        document = meta.as_document(entries, field, words)
        text = meta.as_markdown(document)
        write_report(out, "architectures", document, text)
    typer.echo(text, nl=False)
    if any(entry["error"] for entry in entries):
        raise typer.Exit(FAILED)
