"""What a job asks for and what is kept of a result, as JSON; light, for processes that never segment."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

from cascade.config import CS3Config


def configuration(settings: Mapping[str, Any]) -> CS3Config:
    """The configuration that a job asks for: its preset, and on top of it what its `config` says.

    Raises:
        ConfigError: an unknown key, or a value out of range.
    """
    base = CS3Config.paper() if settings.get("preset") == "paper" else CS3Config()
    values = base.model_dump()
    for stage, changed in (settings.get("config") or {}).items():
        known = values.get(stage)
        values[stage] = known | changed if isinstance(known, dict) and isinstance(changed, dict) else changed
    return CS3Config.parse(values)


def pack(document: Mapping[str, Any]) -> bytes:
    """A result as it is kept."""
    return gzip.compress(json.dumps(document).encode(), compresslevel=1, mtime=0)


def unpack(content: bytes) -> dict[str, Any]:
    """The result that `pack` was given.

    Raises:
        OSError, ValueError: damaged.
    """
    document: dict[str, Any] = json.loads(gzip.decompress(content))
    return document
