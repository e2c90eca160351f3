"""Methods by name. Libraries and weights are loaded when a method is, not before."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from cascade.comparators.protocol import Method
from cascade.config import CS3Config
from cascade.errors import ConfigError

METHODS = {
    "cs3": "the cascade of this project",
    "con2dis": "heads of the cascade, tails by clustering tail pixels (SpeHeatal)",
    "sam": "one pass of the promptable model over a grid of points",
    "unet": "U-Net: parts as maps, then connected pieces",
    "maskrcnn": "Mask R-CNN: whole sperm as instances",
    "naive": "threshold, ridge filter, greedy walk",
}
"""Name → what it is, in the order of tables."""
TRAINABLE = ("unet", "maskrcnn")
GROUP = "cs3.methods"
"""Entry points of this group are methods of other packages: name = "module:function"; the function takes the
device's name and returns a `Method`."""


def load_method(
    name: str,
    device: str = "auto",
    *,
    model: str | Path = "tiny",
    config: CS3Config | None = None,
    weights: Path | None = None,
) -> Method:
    """A method, ready to predict.

    Args:
        name: one of `METHODS`, or of the entry-point group `GROUP`.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
        model: promptable model of cs3, con2dis and sam, as `cascade.sam.registry.load_model` takes it.
        config: of the cascade, for cs3 and con2dis; None: the default.
        weights: of unet and maskrcnn; None: those that ship with the package.

    Raises:
        ConfigError: unknown name, or an entry point that leads nowhere.
        DeviceError: the device is not there.
        ModelError: weights or a library are missing or damaged.
    """
    # Comparators import what they need themselves; torch and the rest stay out until one is asked for.
    if name in ("cs3", "con2dis", "sam"):
        return _promptable(name, device, model, config or CS3Config())
    if name == "naive":
        from cascade.comparators.naive import Naive  # noqa: PLC0415

        return Naive()
    if name == "unet":
        from cascade.comparators.unet import load_unet  # noqa: PLC0415

        return load_unet(device, weights)
    if name == "maskrcnn":
        from cascade.comparators.maskrcnn import load_maskrcnn  # noqa: PLC0415

        return load_maskrcnn(device, weights)
    further = installed()
    if name in further:
        return _installed(further[name], device)
    raise ConfigError(f"there is no method {name!r}: expected one of {', '.join([*METHODS, *further])}")


def installed() -> dict[str, EntryPoint]:
    """Methods that other packages offer, by name; a name of `METHODS` stays what it is."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in METHODS}


def _installed(point: EntryPoint, device: str) -> Method:
    try:
        made: Method = point.load()(device)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"method {point.name!r}: expected a function at {point.value}, found none ({error}); "
            "install its package again"
        ) from error
    return made


def _promptable(name: str, device: str, model: str | Path, config: CS3Config) -> Method:
    from cascade.sam.registry import load_model  # noqa: PLC0415

    loaded = load_model(model, device)
    if name == "cs3":
        from cascade.comparators.cs3 import CS3  # noqa: PLC0415

        return CS3(loaded, config)
    if name == "sam":
        from cascade.comparators.sam import SamGrid  # noqa: PLC0415

        return SamGrid(loaded)
    from cascade.comparators.con2dis import Con2Dis  # noqa: PLC0415

    return Con2Dis(loaded, config)
