"""Names of files from strangers → names that are safe to show, to keep and to write into a zip."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_LONGEST = 150
_UNSAFE = re.compile(r'[<>:"|?*\\]')


def clean_name(name: str) -> str:
    """The last part of a path, without control characters and what file systems refuse; never empty."""
    last = re.split(r"[\\/]", name)[-1]
    shown = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C")
    kept = _UNSAFE.sub("_", shown).strip(" .") or "image"
    if len(kept) > _LONGEST:
        stem, dot, suffix = kept.rpartition(".")
        end = f".{suffix}" if dot and len(suffix) <= 8 else ""
        kept = (stem if end else kept)[: _LONGEST - len(end)] + end
    return kept


def unique_names(names: Iterable[str]) -> list[str]:
    """The same names, those that come again numbered: `a.png`, `a (2).png`. Capitals tell nothing apart."""
    taken: dict[str, int] = {}
    out = []
    for name in names:
        chosen = name
        while chosen.casefold() in taken:
            taken[name.casefold()] += 1
            stem, dot, suffix = name.rpartition(".")
            number = taken[name.casefold()]
            chosen = f"{stem} ({number}).{suffix}" if dot else f"{name} ({number})"
        taken[chosen.casefold()] = 1
        out.append(chosen)
    return out
