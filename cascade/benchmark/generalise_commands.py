"""`cs3 generalise`: how well methods do on dates, or on real images, that they have not learnt from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from cascade.console import FAILED, reported, say

if TYPE_CHECKING:
    from cascade.benchmark.display import BenchmarkDisplay
    from cascade.benchmark.generalise import Contestant, Teach
    from cascade.config import CS3Config

app = typer.Typer(add_completion=False)


@app.command()
def generalise(
    data: Data,
    *,
    images: Images,
    out: Out,
    methods: Methods = ["cs3"],  # noqa: B006  typer copies it
    experts: Experts = None,
    groups: Annotated[
        int, typer.Option("--groups", metavar="N", min=0, help="Groups of dates; 0: leave dates alone.")
    ] = 4,
    synthetic: Annotated[
        int,
        typer.Option("--synthetic", metavar="N", min=0, help="Also learn from so many synthetic smears."),
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", min=1, help="Of each training; the method's own by itself."),
    ] = None,
    minutes: Annotated[
        int | None, typer.Option("--minutes", metavar="N", min=1, help="Each training ends after so long.")
    ] = None,
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
    """Teach methods on some dates, or on synthetic smears, and ask them about other dates, or real smears.

    Methods that learn (unet, maskrcnn) are taught anew for every group that is left out. Writes
    generalisation.json, generalisation.md, the trainings and the predictions.
    """
    with reported():
        # What takes time to import waits until it is needed.
        from cascade.batch import check_out  # noqa: PLC0415
        from cascade.benchmark.devices import describe  # noqa: PLC0415
        from cascade.benchmark.display import BenchmarkDisplay  # noqa: PLC0415
        from cascade.benchmark.folds import Source, date_folds, synthetic_fold  # noqa: PLC0415
        from cascade.benchmark.gaps import write_generalisation  # noqa: PLC0415
        from cascade.benchmark.generalise import Job  # noqa: PLC0415
        from cascade.benchmark.generalise import generalise as run  # noqa: PLC0415
        from cascade.benchmark.selection import Selection, outlined  # noqa: PLC0415
        from cascade.config import CS3Config  # noqa: PLC0415

        check_out(out, resume)
        if not groups and not synthetic:
            raise typer.BadParameter("expected --groups or --synthetic above 0, got neither")
        configuration = CS3Config() if config is None else CS3Config.from_toml(config)
        selection = Selection(listed, day(until), day(after), sample, limit)
        real = Source(*outlined(separated(data), images, separated(experts or []), selection))
        display = BenchmarkDisplay()

        def teacher(name: str) -> Teach:
            return _teacher(name, device, display, steps, minutes)

        contestants = _contestants(separated(methods), device, model, configuration, teacher)
        folds = date_folds(real, groups) if groups else []
        words = describe(device)
    with reported(FAILED, GO_ON):
        if synthetic:
            folds.append(synthetic_fold(real, synthetic, out / ".cs3" / "synthetic"))
        with display:
            results = run(Job(folds, out, words), contestants, display)
        write_generalisation(out, results)
    typer.echo((out / "generalisation.md").read_text("utf-8"), nl=False)


def _contestants(
    names: list[str], device: str, model: str, config: CS3Config, teacher: Callable[[str], Teach]
) -> list[Contestant]:
    from cascade.benchmark.generalise import Contestant  # noqa: PLC0415
    from cascade.benchmark.methods import participants  # noqa: PLC0415
    from cascade.comparators.registry import TRAINABLE  # noqa: PLC0415
    from cascade.errors import ConfigError  # noqa: PLC0415

    found = []
    for name in names:
        if name in TRAINABLE:
            found.append(Contestant(name, teach=teacher(name)))
            continue
        for one in participants([name], device, model=model, config=config):
            if one.method is None:
                raise ConfigError(f"{name}: expected a method, found predictions; name a method instead")
            found.append(Contestant(one.name, one.method))
    return found


def _teacher(
    name: str, device: str, display: BenchmarkDisplay, steps: int | None, minutes: int | None
) -> Teach:
    """Teaches a method in a folder, with a display of its own, and loads what comes of it."""
    from cascade.comparators.protocol import Method, TrainingData  # noqa: PLC0415
    from cascade.comparators.registry import load_method  # noqa: PLC0415

    def teach(data: TrainingData, folder: Path) -> Method | None:
        from cascade.training.progress import TrainingDisplay, stop_on_request  # noqa: PLC0415
        from cascade.training.trainable import trainable  # noqa: PLC0415

        say(f"Training {name} on {len(data.images)} images in {folder}.")
        with display.paused(), stop_on_request() as stop, TrainingDisplay() as watcher:
            learner = trainable(name, device, steps=steps, minutes=minutes)
            weights = learner.train(data, folder, watcher, stop)
        return None if weights is None else load_method(name, device, weights=weights)

    return teach
