"""`cs3 benchmark`: methods against experts' outlines: a table, pictures that explain it, and a report."""

from __future__ import annotations

from typing import Annotated

import typer

from cascade.benchmark.options import (
    GO_ON,
    After,
    Config,
    Data,
    Device,
    Experts,
    Images,
    Limit,
    Listed,
    Methods,
    Model,
    Out,
    Resume,
    Sample,
    Until,
    day,
    separated,
)
from cascade.console import FAILED, reported, say_error

app = typer.Typer(add_completion=False)


@app.command()
def benchmark(
    data: Data,
    *,
    images: Images,
    out: Out,
    methods: Methods = ["cs3"],  # noqa: B006  typer copies it
    experts: Experts = None,
    until: Until = None,
    after: After = None,
    listed: Listed = None,
    sample: Sample = 1,
    limit: Limit = None,
    model: Model = "tiny",
    device: Device = "auto",
    config: Config = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Of the bootstrap that gives the intervals.")
    ] = 1000,
    resume: Resume = False,
) -> None:
    """Compare methods with experts' outlines, and the experts with each other.

    DATA is a COCO file, a labelme folder, or a folder of masks: one an expert, or a folder of such.

    Writes report.html, results.json, results.csv, results.md and predictions/METHOD.coco.json.

    Ends with 0 when all went well, 1 when a method failed on an image, 2 when it was called wrongly.
    """
    with reported():
        # What takes time to import waits until it is needed.
        from cascade.batch import check_out  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.display import BenchmarkDisplay  # noqa: PLC0415
        from cascade.benchmark.methods import participants  # noqa: PLC0415
        from cascade.benchmark.run import Benchmark, check, run  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, outlined  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415

        check_out(out, resume)
        configuration = CS3Config() if config is None else CS3Config.from_toml(config)
        selection = Selection(listed, day(until), day(after), sample, limit)
        raters, files = outlined(separated(data), images, separated(experts or []), selection)
        words = describe(device)
        taking_part = participants(separated(methods), device, model=model, config=configuration)
        job = Benchmark(raters, files, taking_part, out, selection, words, resamples)
        check(job)
    with reported(FAILED, GO_ON), BenchmarkDisplay() as display:
        results = run(job, display)
    typer.echo((out / "results.md").read_text("utf-8"), nl=False)
    typer.echo(f"\nThe report is {out / 'report.html'}.")
    failed = {one.name: one.failures for one in results.methods if one.failures}
    for name, failures in failed.items():
        image, reason = next(iter(failures.items()))
        say_error(f"{name}: failed on {len(failures)} of {len(files)} images, first {image}: {reason}")
    if failed:
        raise typer.Exit(FAILED)
