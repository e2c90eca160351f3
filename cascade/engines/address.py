"""The names of engines: `local`, `ray`, `ray://HOST:PORT`; and whether one can be had at all."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from urllib.parse import urlsplit

from cascade.errors import ConfigError, DeviceError

LOCAL, RAY = "local", "ray"
PATIENCE = 5.0
"""Seconds until an address must answer."""


def checked(name: str) -> str:
    """The name of an engine, as given.

    Raises:
        ConfigError: it is none.
    """
    if name in (LOCAL, RAY):
        return name
    try:
        parts = urlsplit(name)
        good = parts.scheme == "ray" and bool(parts.hostname) and bool(parts.port)
        good = good and name == f"ray://{parts.netloc}" and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"expected an engine local, ray or ray://HOST:PORT, found {name!r}")
    return name


def check_within_reach(name: str) -> None:
    """Find out at once what Ray would take half a minute for, or would be found in the background only.

    Args:
        name: of an engine, checked.

    Raises:
        DeviceError: Ray is not installed, or nobody answers at the address.
    """
    if name == LOCAL:
        return
    if not (find_spec("ray") and find_spec("grpc")):
        raise DeviceError(
            f"expected Ray for the engine {name}, found that it is not installed; pip install 'cs3[ray]'"
        )
    if name == RAY:
        return
    parts = urlsplit(name)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), PATIENCE).close()
    except OSError as error:
        raise DeviceError(
            f"expected a Ray cluster at {name}, found that nobody answers ({error}); start it (ray start "
            "--head), and name its client port, 10001 unless told otherwise"
        ) from None
