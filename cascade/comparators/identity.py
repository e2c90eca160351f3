"""What tells a method's predictions from another's: the code, the settings, the weights."""

from __future__ import annotations

import hashlib
import json

from cascade.environment import code_sha256


def identity(name: str, **settings: object) -> str:
    """Hash of the code and of settings (JSON values): predictions of other code are never taken over."""
    whole = [name, settings, code_sha256("comparators/*.py")]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
