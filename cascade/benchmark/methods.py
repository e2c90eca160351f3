"""Who takes part: methods of the package, CS3's ablations, one's own, and predictions made elsewhere."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cascade.benchmark.ablations import ABLATIONS, GROUP, WHOLE, ablation
from cascade.comparators.protocol import Method
from cascade.comparators.registry import METHODS, TRAINABLE, installed, load_method
from cascade.config import CS3Config
from cascade.errors import ConfigError
from cascade.sam.protocol import PromptableModel

_OWN = re.compile(r"(?P<file>.+\.py):(?P<attribute>\w+)")
_WEIGHTED = re.compile(r"((?P<name>[^=@]+)=)?(?P<method>\w+)@(?P<weights>.+)")
_NAME = re.compile(r"[\w.:+-]+")


@dataclass(frozen=True)
class Participant:
    """A method ready to predict, or a file of its predictions.

    Attributes:
        name: in tables.
        method: None where the predictions are there.
        file: the predictions (COCO), or None.
        about: what it is, in a few words; may be empty.
    """

    name: str
    method: Method | None = None
    file: Path | None = None
    about: str = ""

    @property
    def file_name(self) -> str:
        """Its name with nothing in it that a file name cannot hold."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def participants(
    words: Sequence[str], device: str, *, model: str | Path = "tiny", config: CS3Config | None = None
) -> list[Participant]:
    """Load every method that takes part, before any work is done.

    Args:
        words: each one of `METHODS` or of what installed packages offer; one of `ABLATIONS`, or `cs3:stages`
            for all of these; `METHOD@WEIGHTS` for a method with weights of one's own; `FILE.py:NAME` for what
            the function NAME of one's own file gives; `NAME=FILE.json` for predictions made elsewhere.
            `NAME=METHOD@WEIGHTS` gives such a method a name.
        device: "auto", "cpu", "cuda" or "cuda:N".
        model: promptable model of cs3 and its ablations, con2dis and sam.
        config: of the cascade; None: the default.

    Raises:
        ConfigError: an unknown or repeated name, or a file that holds no method.
        ModelError, DeviceError: as `load_method`.
    """
    if not words:
        raise ConfigError(f"expected methods to compare, found none; name any of {', '.join(METHODS)}")
    names = list(dict.fromkeys(name for word in words for name in (ABLATIONS if word == GROUP else [word])))
    settings = config or CS3Config()

    further = installed()

    @cache
    def promptable() -> PromptableModel:
        from cascade.sam.registry import load_model  # noqa: PLC0415  torch only where it is wanted

        return load_model(model, device)

    def load(word: str) -> Participant:
        if word in ABLATIONS and word != WHOLE:
            return Participant(word, ablation(word, promptable(), settings), about=ABLATIONS[word])
        if word in METHODS or word in further:
            method = load_method(word, device, model=model, config=settings)
            return Participant(word, method, about=METHODS.get(word) or f"of {further[word].value}")
        weighted = _WEIGHTED.fullmatch(word)
        if weighted is not None:
            return _weighted(weighted["name"], weighted["method"], Path(weighted["weights"]), device)
        return _given(word, device)

    found = [load(name) for name in names]
    taken: dict[str, str] = {}
    for one in found:
        if one.file_name in taken:
            raise ConfigError(
                f"expected methods whose names differ, found {taken[one.file_name]!r} and {one.name!r}; "
                "rename one of them"
            )
        taken[one.file_name] = one.name
    return found


def _weighted(name: str | None, method: str, weights: Path, device: str) -> Participant:
    if method not in TRAINABLE or not weights.is_file() or (name and not _NAME.fullmatch(name)):
        raise ConfigError(
            f"{method}@{weights}: expected one of {', '.join(TRAINABLE)} with a file of its weights, and a "
            "plain name before = if any; correct it"
        )
    loaded = load_method(method, device, weights=weights)
    return Participant(name or method, loaded, about=f"{METHODS[method]}; weights {weights.name}")


def _given(word: str, device: str) -> Participant:
    name, equals, path = word.partition("=")
    if equals:
        if not _NAME.fullmatch(name) or not Path(path).is_file():
            raise ConfigError(
                f"{word}: expected NAME=FILE with a COCO file of predictions, found "
                f"{'no such file' if _NAME.fullmatch(name) else 'no plain name'}; correct it"
            )
        return Participant(name, file=Path(path), about=f"predictions of {Path(path).name}")
    own = _OWN.fullmatch(word)
    if own is None:
        known = ", ".join(dict.fromkeys((*METHODS, *ABLATIONS, GROUP)))
        raise ConfigError(
            f"there is no method {word!r}: expected any of {known}, METHOD@WEIGHTS for your own weights, "
            "FILE.py:NAME for a method of your own, or NAME=FILE.json for predictions made elsewhere"
        )
    method = _own(Path(own["file"]), own["attribute"], device)
    return Participant(method.name, method, about=f"of {Path(own['file']).name}")


def _own(file: Path, attribute: str, device: str) -> Method:
    """What a function of a Python file gives, as one of an installed package would."""
    spec = importlib.util.spec_from_file_location(f"cs3_method_{file.stem}", file)
    try:
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        make: Callable[[str], Any] = getattr(module, attribute)
        method = make(device)
    except Exception as error:  # whatever somebody's own file does
        raise ConfigError(
            f"{file}:{attribute}: expected a function that takes a device's name and gives a method, "
            f"found "
            f"{type(error).__name__}: {error}; correct the file"
        ) from error
    missing = [name for name in ("name", "identity", "predict") if not hasattr(method, name)]
    if missing or not _NAME.fullmatch(str(method.name)):
        raise ConfigError(
            f"{file}:{attribute}: expected a method with a plain name, an identity and predict(image), found "
            f"{'no ' + ', '.join(missing) if missing else f'the name {method.name!r}'}; see docs/benchmark.md"
        )
    checked: Method = method
    return checked
