"""What a run ran on: code, versions and memory."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

_PACKAGES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "scikit-image",
    "pillow",
    "tifffile",
    "torch",
    "segment-anything",
)
_PACKAGE = Path(__file__).parent
_CODE = ("*.py", "sam/*.py", "looks/*.py", "exports/*.py")
"""Modules that a result may depend on."""


def version() -> str:
    """CS3's own version; "unknown" where it runs without being installed."""
    return _installed("cs3") or "unknown"


def versions() -> dict[str, str]:
    """Versions of CS3, of Python and of the libraries that results may depend on, as far as installed."""
    found = {name: _installed(name) for name in _PACKAGES}
    return {"cs3": version(), "python": platform.python_version()} | {n: v for n, v in found.items() if v}


@cache
def code_sha256(*others: str) -> str:
    """Hash of the code that results depend on: those of other code are not taken over.

    Args:
        others: patterns of further modules, below the package.
    """
    digest = hashlib.sha256()
    for pattern in (*_CODE, *others):
        for path in sorted(_PACKAGE.glob(pattern)):
            name = path.relative_to(_PACKAGE).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def peak_memory() -> int | None:
    """The most memory that this process has held so far, bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # the figure below would count the parent's memory before it started this program
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _installed(name: str) -> str | None:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None
