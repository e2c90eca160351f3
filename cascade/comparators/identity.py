"""What tells a method's predictions from another's: the code, the settings, the weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
_CODE = ("*.py", "sam/*.py", "comparators/*.py")
"""Modules that predictions may depend on, below the package."""


def identity(name: str, **settings: object) -> str:
    """Hash of the code and of settings (JSON values): predictions of other code are never taken over."""
    digest = hashlib.sha256(json.dumps([name, settings], sort_keys=True).encode())
    for pattern in _CODE:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
