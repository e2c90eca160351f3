"""`cs3 train`: teach the built-in model from synthetic smears, or a method to compare with from labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cascade.console import FAILED, INTERRUPTED, WRONG_USE, reported, say, say_error
from cascade.errors import ConfigError
from cascade.training.settings import SUPERVISED, LooksTraining, SupervisedTraining, TinyTraining

app = typer.Typer(
    help="Teach the built-in model from synthetic smears, or a method to compare with from labels.",
    no_args_is_help=True,
)
_DEFAULT = TinyTraining()
_LOOKS = LooksTraining()
_THREADS = "CPU threads of the network; 0 takes every core."
_SAVE_EVERY = "Steps between checkpoints."
_DEVICE = "auto (a GPU where there is one), cpu, cuda or cuda:N."


@app.callback()
def _root() -> None:
    """Sub-commands by name, also while there are few."""


@app.command()
def tiny(
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for weights, checkpoint and log.")
    ],
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = _DEFAULT.steps,
    dense_steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=f"First steps, which teach dense maps alone; by itself {_DEFAULT.dense_steps}, "
            "or none where weights are there to start from.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures a step.")] = _DEFAULT.batch,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = _DEFAULT.rate,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and smears.")] = _DEFAULT.seed,
    threads: Annotated[int, typer.Option(min=0, help=_THREADS)] = _DEFAULT.threads,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that draw smears; by itself 1, on a GPU one a core.",
            show_default=False,
        ),
    ] = None,
    save_every: Annotated[int, typer.Option(min=1, help=_SAVE_EVERY)] = _DEFAULT.save_every,
    device: Annotated[str, typer.Option(metavar="DEVICE", help=_DEVICE)] = "auto",
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS", exists=True, dir_okay=False, help="Start from weights of an earlier training."
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Learn from these images, too, as the cascade understands them; starts from the built-in "
            "weights, or from --init.",
        ),
    ] = None,
) -> None:
    """Teach the model `tiny`; the same command goes on where an earlier run ended.

    Smears are drawn while it learns: nothing is downloaded, no labels are read. With --unlabelled, half of
    the pictures are of your own slides: what the cascade is sure of there is taught as if it were true.

    DIR receives tiny.safetensors, checkpoint.pt and log.jsonl.

    A run that goes on may differ in steps, threads, workers, save-every and device.
    """
    with reported():
        from cascade.inputs import find_inputs  # noqa: PLC0415
        from cascade.sam.registry import TINY_WEIGHTS, resolve_device  # noqa: PLC0415

        where = resolve_device(device)
        images = find_inputs([unlabelled]) if unlabelled else []
        start = init or (TINY_WEIGHTS if images else None)
        if dense_steps is None:
            dense_steps = 0 if start else _DEFAULT.dense_steps
        settings = TinyTraining(
            steps=steps,
            dense_steps=dense_steps,
            batch=batch,
            rate=rate,
            seed=seed,
            threads=threads,
            workers=_workers(where) if workers is None else workers,
            save_every=save_every,
        )
    again = f"The same command goes on from the last checkpoint in {out}."
    with reported(FAILED, f"Interrupted. {again}"):
        done = _train(out, settings, where, start, images)
    if done < steps:
        say(f"Stopped and saved at step {done} of {steps}. {again}")
        raise typer.Exit(INTERRUPTED)
    weights = out / "tiny.safetensors"
    typer.echo(f"The weights are in {weights}. Use them with:")
    typer.echo(f"cs3 segment --model {weights} INPUT... --out DIR")


@app.command()
def looks(
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for lessons, weights and log.")
    ],
    smears: Annotated[int, typer.Option(min=2, help="Smears that the cascade is run over.")] = _LOOKS.smears,
    passes: Annotated[int, typer.Option(min=1, help="Over what it came upon.")] = _LOOKS.passes,
    batch: Annotated[int, typer.Option(min=1, help="Links and pairs a step.")] = _LOOKS.batch,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = _LOOKS.rate,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and smears.")] = _LOOKS.seed,
    threads: Annotated[int, typer.Option(min=0, help=_THREADS)] = _LOOKS.threads,
) -> None:
    """Teach the judge of links and pairs; the same command goes on where an earlier run ended.

    The cascade is run over synthetic smears, whose truth says which of the links and pairs it comes upon are
    right. Nothing is downloaded, no labels are read.

    DIR receives lessons/, looks.safetensors, checkpoint.pt and log.jsonl.
    """
    with reported():
        settings = LooksTraining(smears, passes, batch, rate, seed, threads)
    again = f"The same command goes on from there in {out}."
    with reported(FAILED, f"Interrupted. {again}"):
        done = _train_looks(out, settings)
    if not done:
        say(f"Stopped. {again}")
        raise typer.Exit(INTERRUPTED)
    typer.echo(f"The weights are in {out / 'looks.safetensors'}.")


def _supervised(name: str) -> Callable[..., None]:
    """The command that teaches a method on annotated images; all of them have the same options."""
    default = SUPERVISED[name]

    def command(
        *,
        data: Annotated[
            list[Path],
            typer.Option(
                metavar="FILE",
                exists=True,
                dir_okay=False,
                help="COCO file with sperm_id; name it again for every expert of the same images.",
            ),
        ],
        out: Annotated[
            Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for weights, checkpoint and log.")
        ],
        images: Annotated[
            Path | None,
            typer.Option(
                metavar="DIR",
                exists=True,
                file_okay=False,
                help="Folder of the images; by itself the folder images beside the first FILE.",
                show_default=False,
            ),
        ] = None,
        until: Annotated[
            datetime | None,
            typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="Leave out images of later dates."),
        ] = None,
        steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = default.steps,
        batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = default.batch,
        rate: Annotated[float, typer.Option(help="Peak learning rate.")] = default.rate,
        seed: Annotated[int, typer.Option(min=0, help="Of weights and augmentation.")] = default.seed,
        threads: Annotated[int, typer.Option(min=0, help=_THREADS)] = default.threads,
        workers: Annotated[
            int | None,
            typer.Option(
                min=0,
                help="Processes that prepare images; by itself none, on a GPU one a core.",
                show_default=False,
            ),
        ] = None,
        save_every: Annotated[int, typer.Option(min=1, help=_SAVE_EVERY)] = default.save_every,
        check_every: Annotated[
            int, typer.Option(min=1, help="Steps between looks at the held-out images.")
        ] = default.check_every,
        minutes: Annotated[
            int, typer.Option(min=0, help="End in time, after so many minutes in all; 0: after all steps.")
        ] = default.minutes,
        device: Annotated[str, typer.Option(metavar="DEVICE", help=_DEVICE)] = "auto",
    ) -> None:
        with reported():
            from cascade.sam.registry import resolve_device  # noqa: PLC0415

            where = resolve_device(device)
            settings = SupervisedTraining(
                steps=steps,
                batch=batch,
                rate=rate,
                seed=seed,
                threads=threads,
                workers=(0 if where == "cpu" else _workers(where)) if workers is None else workers,
                save_every=save_every,
                check_every=check_every,
                minutes=minutes,
            )
        again = f"The same command goes on from the last checkpoint in {out}."
        with reported(FAILED, f"Interrupted. {again}"):
            folder = images or data[0].parent / "images"
            weights = _teach(name, data, folder, until.date() if until else None, out, settings, where)
        if weights is None:
            say(f"Stopped and saved. {again}")
            raise typer.Exit(INTERRUPTED)
        typer.echo(f"The weights are in {weights}, the learning curve in {out / 'log.jsonl'}.")

    command.__doc__ = f"""Teach the method `{name}` on annotated images, from scratch.

    The latest days of the images, a tenth of them, are held out: the weights that do best on them are kept.
    The same command goes on where an earlier run ended.

    DIR receives {name}.safetensors, checkpoint.pt and log.jsonl.

    A run that goes on may differ in steps, minutes, threads, workers, save-every, check-every and device.
    """
    return command


for _name in SUPERVISED:
    app.command(_name)(_supervised(_name))


@app.command()
def card(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A .safetensors file of `cs3 train`.")],
    *,
    scores: Annotated[
        Path, typer.Option(metavar="FILE", help="What `cs3 score --json` printed for these weights.")
    ],
    scored_on: Annotated[str, typer.Option(metavar="TEXT", help="Which images and truth were scored.")],
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What else a reader of the card should know.")
    ] = "",
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The training's log.jsonl: kept beside the card, and drawn as a learning curve.",
        ),
    ] = None,
) -> None:
    """Write the model card of trained weights beside them: tiny.md for tiny.safetensors."""
    with reported():
        from cascade.training.card import write_card  # noqa: PLC0415

        path = write_card(weights, scores, scored_on, note, log)
    typer.echo(f"The card is {path}.")


def _train(
    out: Path, settings: TinyTraining, device: str, init: Path | None, unlabelled: Sequence[Path]
) -> int:
    import torch  # noqa: PLC0415  slow to import

    from cascade.training.progress import TrainingDisplay, stop_on_request  # noqa: PLC0415
    from cascade.training.tiny import train_tiny  # noqa: PLC0415

    say(f"Training on {device}, for {settings.steps} steps.")
    if unlabelled:
        say(f"First the cascade looks at {len(unlabelled)} unlabelled images.")
    try:
        with stop_on_request() as stop, TrainingDisplay() as display:
            return train_tiny(
                out, settings, torch.device(device), display, init=init, unlabelled=unlabelled, stop=stop
            )
    except ConfigError as error:  # the folder holds another training
        say_error(str(error))
        raise typer.Exit(WRONG_USE) from error


def _train_looks(out: Path, settings: LooksTraining) -> bool:
    from cascade.sam.registry import load_model  # noqa: PLC0415
    from cascade.training.looks import train_looks  # noqa: PLC0415
    from cascade.training.progress import TrainingDisplay, stop_on_request  # noqa: PLC0415

    say(f"Running the cascade over {settings.smears} smears, then learning in {settings.passes} passes.")
    try:
        with stop_on_request() as stop, TrainingDisplay() as display:
            return train_looks(out, settings, load_model(), display, stop=stop)
    except ConfigError as error:  # the folder holds another training
        say_error(str(error))
        raise typer.Exit(WRONG_USE) from error


def _teach(
    name: str,
    truths: list[Path],
    folder: Path,
    until: date | None,
    out: Path,
    settings: SupervisedTraining,
    device: str,
) -> Path | None:
    import torch  # noqa: PLC0415  slow to import

    from cascade.training.labels import choose_images  # noqa: PLC0415
    from cascade.training.progress import TrainingDisplay, stop_on_request  # noqa: PLC0415
    from cascade.training.supervised import subject_of, train_supervised  # noqa: PLC0415

    data = choose_images(truths, folder, until)
    say(
        f"Training {name} on {device}, for {settings.steps} steps, on {len(data.images)} images; "
        f"{len(data.held_out)} of the latest days are held out."
    )
    try:
        with stop_on_request() as stop, TrainingDisplay("reading the images") as display:
            return train_supervised(
                subject_of(name), data, out, settings, torch.device(device), display, stop
            )
    except ConfigError as error:  # the folder holds another training
        say_error(str(error))
        raise typer.Exit(WRONG_USE) from error


def _workers(device: str) -> int:
    """A GPU learns faster than one core draws."""
    return 1 if device == "cpu" else max(1, (os.cpu_count() or 2) - 1)
